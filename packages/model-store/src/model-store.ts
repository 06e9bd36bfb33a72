import { check, type AddModelOptions, MobillmError, type StoredModel } from '@mobillm/core';
import { addModel } from './add-model.js';
import { exportModel } from './export/export-model.js';
import type { ExportModelOptions, ExportReport } from './export/export-options.js';
import type { FileSystem } from './file-system/file-system.js';
import { checkInPlace } from './files-in-place.js';
import { addFound, asUnread, checkFound, nameAsPulled, nameOfFound } from './foreign/add-found.js';
import { discoverModels } from './foreign/discover.js';
import { findByReference, holdByReference } from './foreign/find-by-reference.js';
import { ForeignContent } from './foreign/foreign-content.js';
import { ForeignContext } from './foreign/foreign-context.js';
import {
  checkDiscoverOptions,
  checkExportOptions,
  readSubject,
} from './foreign/foreign-options.js';
import { foreignApps, type FoundModel } from './foreign/found-model.js';
import type {
  DescribedModel,
  DescribeModelOptions,
  DeviceModelStore,
  DiscoverOptions,
  PullModelOptions,
} from './device-model-store.js';
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
import { checkDescribeOptions } from './remote/remote-options.js';
import { resolveRemote } from './remote/resolve-remote.js';
import { sourceContext } from './sources/source-context.js';
import { StoreContext, type StoreLimit } from './store-context.js';
import {
  checkAddOptions,
  checkPruneOptions,
  checkPullOptions,
  checkVerifyOptions,
  defaultConnections,
} from './store-options.js';

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

  async add(model: string | FoundModel, options?: AddModelOptions): Promise<StoredModel> {
    const wanted = typeof model === 'object' ? checkFound(model, 'model') : readSubject(model);
    const checked = checkAddOptions(options, 'options');
    const { placement = 'link', sha256, derivedFrom } = checked;
    const { hash = placement === 'move' ? 'now' : 'later' } = checked;
    const how = { placement, sha256, hash, derivedFrom };
    return this.jobs.run(options?.signal, async (signal) => {
      const progress = new ProgressReporter(options?.onProgress);
      if (typeof wanted === 'string') {
        const path = this.context.fs.resolvePath(wanted);
        const { name = nameOfFile(path) } = checked;
        return addModel(this.context, { path, name, ...how }, progress, signal);
      }
      const found =
        'app' in wanted
          ? asUnread(wanted, this.context.fs)
          : await holdByReference(this.lookingAround(signal), wanted);
      const { name = nameOfFound(found) } = checked;
      return addFound(this.context, found, { name, ...how }, progress, signal);
    });
  }

  async discover(options?: DiscoverOptions): Promise<readonly FoundModel[]> {
    const { apps = foreignApps, folders = [] } = checkDiscoverOptions(options, 'options');
    return this.jobs.run(options?.signal, (signal) => {
      const context = this.lookingAround(signal, folders);
      return discoverModels(context, apps, new ProgressReporter(options?.onProgress));
    });
  }

  async exportTo(
    app: 'ollama' | 'hugging-face',
    name: string,
    options?: ExportModelOptions,
  ): Promise<ExportReport> {
    const target = check.oneOf('ollama', 'hugging-face')(app, 'app');
    const wanted = checkModelName(name, 'name');
    const checked = checkExportOptions(options, 'options');
    return this.jobs.run(options?.signal, async (signal) => {
      const { onProgress } = options ?? {};
      const request = { ...checked, ...(onProgress !== undefined && { onProgress }) };
      return exportModel(
        this.context,
        target,
        await findManifest(this.context, wanted),
        request,
        signal,
      );
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
      const { placement = 'link' } = checked;
      const elsewhere = new ForeignContext(this.context.fs, signal, [], undefined);
      const sources = sourceContext(this.context.fs, this.client, signal);
      const resolved = await resolveRemote(wanted, sources, checked.fit).catch(
        async (error: unknown) => {
          // Without a network, what an app here has by that reference is as good as can be had.
          if (!MobillmError.is(error, 'NETWORK_FAILED')) throw error;
          const found = await findByReference(elsewhere, wanted);
          if (found === undefined) throw error;
          return found;
        },
      );
      if ('app' in resolved) {
        const { name = nameAsPulled(resolved) } = checked;
        // What the store takes in is read, so that no false name passes for its content.
        const hash = placement === 'move' ? 'now' : 'later';
        return addFound(this.context, resolved, { name, placement, hash }, progress, signal);
      }
      const { model, choice } = resolved;
      if (choice !== undefined) checked.onChosen?.(choice);
      const { name = checkModelName(model.name, 'the name of the model'), mirrors = [] } = checked;
      const request = {
        model: await addMirrors(model, mirrors, sources, this.context.onProblem),
        name,
        connections: checked.connections ?? defaultConnections,
        control: checked.control,
        placement,
        elsewhere: new ForeignContent(elsewhere, progress),
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
      const manifest = await findManifest(this.context, wanted);
      await checkInPlace(this.context, manifest);
      const model = toStoredModel(manifest, this.context.layout.root);
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

  /** What looks through the folders of other apps; what is wrong there is told. */
  private lookingAround(signal: AbortSignal, folders: readonly string[] = []): ForeignContext {
    const { fs, onProblem } = this.context;
    const paths = folders.map((folder) => fs.resolvePath(folder));
    return new ForeignContext(fs, signal, paths, onProblem);
  }
}
