import { MobillmError, wrongValue } from '@mobillm/core';
import type { MirrorAddress } from '../download/mirror.js';
import { formatReference } from '../reference/parse-reference.js';
import { openRepository, resolveRemote, type RemoteReference } from '../remote/resolve-remote.js';
import type { RemoteFile, RemoteModel, SourceContext } from '../sources/source.js';

interface Offered {
  readonly sha256?: string;
  readonly addresses: readonly MirrorAddress[];
}

/**
 * Adds further sources of the same content to a model's files. An address is one of the only file, whose
 * sha256 is known. Another hub offers a file where it tells the same sha256; one that offers nothing of the model,
 * or cannot be asked, is told to `onProblem` and left out.
 *
 * @throws InvalidArgument for an address where nothing could tell whether it has the same bytes.
 */
export async function addMirrors(
  model: RemoteModel,
  references: readonly RemoteReference[],
  context: SourceContext,
  onProblem: ((error: MobillmError) => void) | undefined,
): Promise<RemoteModel> {
  let files = model.files;
  for (const reference of references) {
    if (reference.source === 'url') {
      files = withAddress(files, reference.url);
      continue;
    }
    try {
      const offered = await offeredBy(reference, context);
      const bySum = new Map(offered.map((file) => [file.sha256, file.addresses]));
      const matches = ({ sha256 }: Offered) => sha256 !== undefined && bySum.has(sha256);
      if (!files.some(matches)) throw otherContent(model, reference, offered);
      files = files.map((file) =>
        matches(file)
          ? { ...file, addresses: [...file.addresses, ...(bySum.get(file.sha256) ?? [])] }
          : file,
      );
    } catch (error) {
      context.signal.throwIfAborted();
      if (!MobillmError.is(error)) throw error;
      onProblem?.(error);
    }
  }
  return { ...model, files };
}

function withAddress(files: readonly RemoteFile[], url: string): readonly RemoteFile[] {
  const [only, ...others] = files;
  if (only?.sha256 === undefined || others.length > 0) {
    throw wrongValue(
      'options.mirrors',
      'can be addresses for a model in one file whose sha256 is known. Add "#sha256=…" to the address',
    );
  }
  return [{ ...only, addresses: [...only.addresses, { url }] }];
}

/** The files that a mirror has; all of a repository where its reference chooses none. */
async function offeredBy(
  reference: RemoteReference,
  context: SourceContext,
): Promise<readonly Offered[]> {
  if (reference.source === 'hugging-face' || reference.source === 'modelscope') {
    const { files, addressOf } = await openRepository(reference, context);
    const { selection } = reference;
    const named = files.filter(({ path }) => path === selection);
    if (selection === undefined || named.length > 0) {
      const found = selection === undefined ? files : named;
      return found.map(({ path, sha256 }) => ({
        ...(sha256 !== undefined && { sha256 }),
        addresses: [addressOf(path)],
      }));
    }
  }
  return (await resolveRemote(reference, context)).model.files;
}

function otherContent(
  model: RemoteModel,
  reference: RemoteReference,
  offered: readonly Offered[],
): MobillmError {
  const sums = (of: readonly Offered[]) => of.flatMap(({ sha256 }) => sha256 ?? []);
  const [expected] = sums(model.files);
  const [found, ...others] = sums(offered);
  const what =
    expected === undefined
      ? 'the sha256 of the model is not known'
      : found === undefined
        ? 'it tells no sha256'
        : others.length > 0
          ? `none of its files has the sha256 ${expected}`
          : `its file has the sha256 ${found} and not ${expected}`;
  return new MobillmError(
    'INTEGRITY_FAILED',
    `The mirror "${formatReference(reference)}" was left out: ${what}.`,
    { details: { mirror: formatReference(reference), expected, found } },
  );
}
