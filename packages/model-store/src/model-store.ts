import {
  check,
  wrongType,
  wrongValue,
  type AddModelOptions,
  type MobillmError,
  type ModelSource,
  type StoredModel,
} from '@mobillm/core';
import { addModel } from './add-model.js';
import type { FileFacts, FileSystem } from './file-system/file-system.js';
import type {
  DescribedModel,
  DescribeModelOptions,
  DeviceModelStore,
  PullModelOptions,
} from './device-model-store.js';
import type { PullControl } from './download/pull-control.js';
import type { HttpClient } from './http/http-client.js';
import { Jobs } from './jobs.js';
import { StoreLayout } from './layout.js';
import { findManifest, noModel } from './find-model.js';
import type {
  DeviceVerifyReport,
  PruneOptions,
  PruneReport,
  StoreVerifyReport,
  VerifyOptions,
} from './house/house-types.js';
import { pinModel } from './house/pin-model.js';
import { pruneStore } from './house/prune-store.js';
import { repairModel, type Repair } from './house/repair-model.js';
import { verifyModel } from './house/verify-model.js';
import { verifyStore } from './house/verify-store.js';
import { toStoredModel } from './manifest/manifest.js';
import { checkModelName, nameOfFile } from './model-name.js';
import { ProgressReporter } from './progress.js';
import { addMirrors } from './pull/add-mirrors.js';
import { pullModel } from './pull/pull-model.js';
import { PullProgress } from './pull/pull-progress.js';
import { parseReference } from './reference/parse-reference.js';
import { removeModel } from './remove-model.js';
import { describeModel } from './remote/describe-model.js';
import { checkDescribeOptions, pullShape } from './remote/remote-options.js';
import { resolveRemote } from './remote/resolve-remote.js';
import { sourceContext } from './sources/source-context.js';
import { StoreContext, type StoreLimit } from './store-context.js';
import { changedFile, fileNotFound, unreadable } from './store-errors.js';

const sha256Text: check.Check<string> = (value, key) => {
  const text = check.string()(value, key);
  if (!/^[0-9a-f]{64}$/.test(text)) {
    throw wrongValue(key, 'must be a sha256: 64 digits and letters from a to f, lower case');
  }
  return text;
};

const sourceObject = check.optionsObject({ name: checkModelName, sha256: sha256Text });
const checkSource: check.Check<string | ModelSource> = (value, key) => {
  if (typeof value === 'string') return checkModelName(value, key);
  const { name, sha256 } = sourceObject(value, key);
  if (name === undefined) throw wrongType(`${key}.name`, 'a string', name);
  return { name, ...(sha256 !== undefined && { sha256 }) };
};

const jobShape = { signal: check.abortSignal, onProgress: check.callback<() => void>() };
const checkVerifyOptions = check.optionsObject({ ...jobShape, repair: check.boolean });
const days = check.number({ min: 0 });
const checkPruneOptions = check.optionsObject({
  ...jobShape,
  maxBytes: check.integer({ min: 0 }),
  olderThanDays: days,
  downloadsOlderThanDays: days,
  dedupe: check.boolean,
  dryRun: check.boolean,
});
const checkAddOptions = check.optionsObject({
  ...jobShape,
  name: checkModelName,
  placement: check.oneOf('link', 'move'),
  sha256: sha256Text,
  hash: check.oneOf('now', 'later'),
  derivedFrom: checkSource,
});

const checkControl: check.Check<PullControl> = (value, key) => {
  const { onChange } = (value ?? {}) as Partial<PullControl>;
  if (typeof onChange !== 'function') throw wrongType(key, 'a PullControl', value);
  return value as PullControl;
};
const defaultConnections = 4;
const checkPullOptions = check.optionsObject({
  control: checkControl,
  ...jobShape,
  name: checkModelName,
  ...pullShape,
  connections: check.integer({ min: 1, max: 8 }),
});

function withUse(model: StoredModel, lastUsedAt: string | undefined): StoredModel {
  return lastUsedAt === undefined ? model : { ...model, lastUsedAt };
}

/** A store in a folder. Every call opens and closes what it needs, so that processes share a store. */
export class FolderModelStore implements DeviceModelStore {
  private readonly jobs = new Jobs();
  private readonly context: StoreContext;

  constructor(
    root: string,
    fs: FileSystem,
    private readonly client: HttpClient,
    onProblem?: (error: MobillmError) => void,
    limit?: StoreLimit,
  ) {
    this.context = new StoreContext(fs, new StoreLayout(root, fs), onProblem, limit);
  }

  async add(path: string, options?: AddModelOptions): Promise<StoredModel> {
    const file = this.context.fs.resolvePath(check.string({ nonEmpty: true })(path, 'path'));
    const checked = checkAddOptions(options, 'options');
    const { name = nameOfFile(file), placement = 'link', sha256, derivedFrom } = checked;
    const { hash = placement === 'move' ? 'now' : 'later' } = checked;
    return this.jobs.run(options?.signal, (signal) => {
      const progress = new ProgressReporter(options?.onProgress);
      const request = { path: file, name, placement, sha256, hash, derivedFrom };
      return addModel(this.context, request, progress, signal);
    });
  }

  async pull(reference: string, options?: PullModelOptions): Promise<StoredModel> {
    const wanted = parseReference(reference);
    const checked = checkPullOptions(options, 'options');
    return this.jobs.run(options?.signal, async (signal) => {
      const progress = new ProgressReporter(options?.onProgress);
      if (wanted.source === 'file') {
        const path = this.context.fs.resolvePath(wanted.path);
        const { name = nameOfFile(path) } = checked;
        const request = { path, name, placement: 'link', hash: 'later' } as const;
        return addModel(this.context, request, progress, signal);
      }
      const sources = sourceContext(this.context.fs, this.client, signal);
      const { model, choice } = await resolveRemote(wanted, sources, checked.fit);
      if (choice !== undefined) checked.onChosen?.(choice);
      const { name = checkModelName(model.name, 'the name of the model'), mirrors = [] } = checked;
      const request = {
        model: await addMirrors(model, mirrors, sources, this.context.onProblem),
        name,
        connections: checked.connections ?? defaultConnections,
        control: checked.control,
      };
      const pulling = new PullProgress(progress);
      const stopListening = checked.control?.onChange(() => pulling.restartRate());
      try {
        const stored = await pullModel(this.context, this.client, request, pulling, signal);
        pulling.finish();
        return stored;
      } finally {
        stopListening?.();
      }
    });
  }

  async describe(reference: string, options?: DescribeModelOptions): Promise<DescribedModel> {
    const wanted = parseReference(reference);
    const checked = checkDescribeOptions(options, 'options');
    return this.jobs.run(options?.signal, (signal) =>
      describeModel(
        this.context.fs,
        wanted,
        sourceContext(this.context.fs, this.client, signal),
        checked.fit,
      ),
    );
  }

  list(): Promise<readonly StoredModel[]> {
    return this.jobs.run(undefined, async () => {
      const models: StoredModel[] = [];
      for (const found of await this.context.manifests.readAll()) {
        if (found.state === 'damaged') this.context.onProblem?.(found.error);
        else models.push(toStoredModel(found.manifest, this.context.layout.root));
      }
      const usedAt = await this.context.uses.readAll(models.map(({ name }) => name));
      return models
        .map((model) => withUse(model, usedAt.get(model.name)))
        .sort((a, b) => (a.name < b.name ? -1 : 1));
    });
  }

  async resolve(name: string): Promise<StoredModel> {
    const wanted = checkModelName(name, 'name');
    return this.jobs.run(undefined, async () => {
      const model = toStoredModel(
        await findManifest(this.context, wanted),
        this.context.layout.root,
      );
      for (const { path, fileBytes } of model.files.files) {
        const facts = await this.factsOf(path);
        if (facts === undefined) {
          const advice = 'Put it back, or remove the model';
          throw fileNotFound(path, `of the model "${wanted}" has gone. ${advice}`);
        }
        if (facts.fileBytes !== fileBytes) {
          const sizes = `it has ${facts.fileBytes} bytes and had ${fileBytes} when it was added`;
          throw changedFile(path, sizes);
        }
      }
      return withUse(model, await this.context.uses.mark(wanted));
    });
  }

  async verify(name: string, options?: VerifyOptions): Promise<DeviceVerifyReport> {
    const wanted = checkModelName(name, 'name');
    const { repair = false } = checkVerifyOptions(options, 'options');
    return this.jobs.run(options?.signal, async (signal) => {
      const progress = new ProgressReporter(options?.onProgress);
      const model = await findManifest(this.context, wanted);
      const report = await verifyModel(this.context, model, progress, signal);
      const totalBytes = model.files.reduce((sum, { fileBytes }) => sum + fileBytes, 0);
      progress.finish({ phase: 'hashing', doneBytes: totalBytes, totalBytes });
      return report.ok || !repair
        ? report
        : repairModel(this.repair(progress, signal), model, report);
    });
  }

  async verifyAll(options?: VerifyOptions): Promise<StoreVerifyReport> {
    const { repair = false } = checkVerifyOptions(options, 'options');
    return this.jobs.run(options?.signal, (signal) => {
      const progress = new ProgressReporter(options?.onProgress);
      return verifyStore(this.context, repair && this.repair(progress, signal), progress, signal);
    });
  }

  async prune(options?: PruneOptions): Promise<PruneReport> {
    const checked = checkPruneOptions(options, 'options');
    return this.jobs.run(options?.signal, (signal) => {
      const request = {
        maxBytes: checked.maxBytes ?? this.context.limit.maxBytes,
        olderThanDays: checked.olderThanDays,
        downloadsOlderThanDays: checked.downloadsOlderThanDays ?? 7,
        dedupe: checked.dedupe ?? false,
        dryRun: checked.dryRun ?? false,
      };
      const progress = new ProgressReporter(options?.onProgress);
      return pruneStore(this.context, request, progress, signal);
    });
  }

  async remove(name: string): Promise<void> {
    const wanted = checkModelName(name, 'name');
    const { context } = this;
    return this.jobs.run(undefined, (signal) =>
      context.working((work) =>
        context.locked(work, signal, async () => {
          const found = await context.manifests.read(wanted);
          if (found === undefined) throw await noModel(context, wanted);
          await removeModel(context, wanted);
        }),
      ),
    );
  }

  async pin(name: string): Promise<StoredModel> {
    const wanted = checkModelName(name, 'name');
    return this.jobs.run(undefined, (signal) => pinModel(this.context, wanted, true, signal));
  }

  async unpin(name: string): Promise<StoredModel> {
    const wanted = checkModelName(name, 'name');
    return this.jobs.run(undefined, (signal) => pinModel(this.context, wanted, false, signal));
  }

  async close(): Promise<void> {
    await this.jobs.close();
    await this.client.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  private repair(progress: ProgressReporter, signal: AbortSignal): Repair {
    const { context, client } = this;
    return { context, client, connections: defaultConnections, progress, signal };
  }

  /** Facts of a file; `undefined` when there is none. */
  private async factsOf(path: string): Promise<FileFacts | undefined> {
    const facts = await this.context.fs.stat(path).catch((error: unknown) => {
      throw unreadable(error, path);
    });
    return facts?.kind === 'file' ? facts : undefined;
  }
}
