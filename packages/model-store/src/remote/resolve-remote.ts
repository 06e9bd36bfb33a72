import type { ModelDescription } from '@mobillm/core';
import { chooseFitting, type FitOptions, type FittingChoice } from '../fit/choose-fitting.js';
import type { FileReference, ModelReference } from '../reference/model-reference.js';
import { chooseProjector, offersOf, type Offer } from '../sources/choose-files.js';
import { chosenModel, ggufModel } from '../sources/hub.js';
import { openHuggingFace } from '../sources/hugging-face.js';
import { openModelScope } from '../sources/modelscope.js';
import { ollamaSource } from '../sources/ollama.js';
import type { HubReference, RemoteModel, Repository, SourceContext } from '../sources/source.js';
import { urlSource } from '../sources/url-source.js';
import { describeRemote } from './describe-remote.js';

/** A reference to a model of another machine. */
export type RemoteReference = Exclude<ModelReference, FileReference>;

/** What a reference means, and what `auto` has chosen where it was asked. */
export interface ResolvedRemote {
  readonly model: RemoteModel;
  readonly choice?: FittingChoice;
}

/** Where the Hugging Face hub speaks Ollama's protocol. */
const hubHosts = new Set(['hf.co', 'huggingface.co']);

/**
 * Asks the source of a reference what it means. The selection `auto` asks core's planner.
 *
 * @throws MobillmError `MODEL_NOT_FOUND`, `ACCESS_DENIED`, `NETWORK_FAILED`; `OUT_OF_MEMORY` where `auto` finds
 * nothing that fits.
 */
export async function resolveRemote(
  reference: RemoteReference,
  context: SourceContext,
  fit: FitOptions = {},
): Promise<ResolvedRemote> {
  switch (reference.source) {
    case 'ollama': {
      // The hub's registry tells of one tag at a time; what there is to choose from its other door tells.
      const repository = `${reference.namespace}/${reference.model}`;
      if (reference.tag === 'auto' && hubHosts.has(reference.host)) {
        const ofHub = { source: 'hugging-face', repository, selection: 'auto' } as const;
        return resolveRemote(ofHub, context, fit);
      }
      return { model: await ollamaSource(reference, context) };
    }
    case 'url':
      return { model: await urlSource(reference, context) };
    case 'hugging-face':
    case 'modelscope': {
      const repository = await openRepository(reference, context);
      if (reference.selection !== 'auto') return { model: await chosenModel(repository, context) };
      return fittingModel(repository, context, fit);
    }
  }
}

/** Lists a repository at its hub. */
export function openRepository(
  reference: HubReference,
  context: SourceContext,
): Promise<Repository> {
  return reference.source === 'hugging-face'
    ? openHuggingFace(reference, context)
    : openModelScope(reference, context);
}

interface OfferedModel extends Offer {
  readonly model: RemoteModel;
  readonly fileBytes: number;
  readonly besideBytes: number;
}

async function fittingModel(
  repository: Repository,
  context: SourceContext,
  fit: FitOptions,
): Promise<ResolvedRemote> {
  const { reference, files } = repository;
  const candidates = offersOf(files).map((offer) => offeredModel(repository, offer));
  if (candidates.length === 0) {
    const { selection: _, ...plain } = reference;
    const model = await chosenModel({ ...repository, reference: plain }, context);
    candidates.push({
      ...sizesOf(model),
      path: model.format,
      quantization: undefined,
      files: [],
      model,
    });
  }
  const described = new Map<OfferedModel, ModelDescription>();
  const describe = async (candidate: OfferedModel) => {
    const description = await describeRemote(candidate.model, context);
    described.set(candidate, description);
    return description;
  };
  const { candidate, choice } = await chooseFitting(
    reference.repository,
    candidates,
    describe,
    fit,
    context.signal,
  );
  const { model } = candidate;
  // Headers that were read are not read again.
  const known = described.get(candidate);
  return {
    model: known === undefined ? model : { ...model, describe: () => Promise.resolve(known) },
    choice,
  };
}

/** An offer as the model that its own reference would mean, so that its origin asks for the same again. */
function offeredModel(repository: Repository, offer: Offer): OfferedModel {
  const projector = chooseProjector(repository.files);
  const reference = { ...repository.reference, selection: offer.path };
  const model = ggufModel(
    { ...repository, reference },
    { weights: offer.files, ...(projector !== undefined && { projector }) },
  );
  return { ...offer, ...sizesOf(model), model };
}

function sizesOf({ files }: RemoteModel): { fileBytes: number; besideBytes: number } {
  const bytes = (of: typeof files) => of.reduce((sum, file) => sum + (file.fileBytes ?? 0), 0);
  return {
    fileBytes: bytes(files),
    besideBytes: bytes(files.filter(({ role }) => role === 'projector')),
  };
}
