import { MobillmError, type ModelDescription } from '@mobillm/core';
import { describeParts, partCount, readGgufPart, type GgufPart } from '../gguf/inspect-gguf.js';
import type { RemoteFile, RemoteModel, SourceContext } from '../sources/source.js';
import { openRemote } from './remote-source.js';

/**
 * Describes a model of another machine by its headers and configuration, without its weights.
 *
 * @throws MobillmError `NETWORK_FAILED`, `ACCESS_DENIED`, `MODEL_INVALID`, `MODEL_UNSUPPORTED`.
 */
export async function describeRemote(
  model: RemoteModel,
  context: SourceContext,
): Promise<ModelDescription> {
  if (model.describe !== undefined) return model.describe();
  const weights = model.files.filter(({ role }) => role === 'weights');
  const [first, ...others] = weights;
  if (first === undefined) throw incomplete(model, 'no file of weights');
  const part = await readHeader(first, context);
  const count = partCount(part);
  if (count > 1 && count !== weights.length) {
    throw incomplete(model, `${weights.length} of ${count} parts`);
  }
  const parts = [part];
  if (count > 1) for (const file of others) parts.push(await readHeader(file, context));
  return describeParts(parts);
}

async function readHeader(
  { addresses, fileBytes, fileName }: RemoteFile,
  context: SourceContext,
): Promise<GgufPart> {
  const [address] = addresses;
  if (address === undefined) throw new Error(`There is no address of ${fileName}`);
  const source = await openRemote(address, fileBytes, context);
  try {
    return await readGgufPart(source, fileName, context.signal);
  } finally {
    await source.close();
  }
}

function incomplete({ name }: RemoteModel, what: string): MobillmError {
  return new MobillmError(
    'MODEL_INVALID',
    `The model "${name}" cannot be described: its source has ${what}.`,
    { details: { name } },
  );
}
