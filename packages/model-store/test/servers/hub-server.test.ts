import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../temporary-folder.js';
import { noHubClient, runHubClient } from './hub-client.js';
import { commitOf, hubServers, type HubRepository } from './hub-server.js';

const folder = temporaryFolder();
const start = hubServers();
const repository: HubRepository = {
  id: 'owner/Tiny-GGUF',
  files: {
    'README.md': new TextEncoder().encode('# Tiny'),
    'sub/weights.gguf': new Uint8Array(300_000).map((_, index) => index % 251),
  },
};

describe.skipIf(noHubClient)(
  `the hub of these tests, asked by the hub's own client${noHubClient ? ` (${noHubClient})` : ''}`,
  () => {
    it('gives its files as the real one does', async () => {
      const hub = await start([repository]);
      const path = await runHubClient(
        `from huggingface_hub import hf_hub_download as d
print(d("owner/Tiny-GGUF", "sub/weights.gguf"))
d("owner/Tiny-GGUF", "README.md")`,
        { HF_ENDPOINT: hub.endpoint, HF_HOME: folder.path },
      );
      expect(path).toContain(
        `/models--owner--Tiny-GGUF/snapshots/${commitOf(repository)}/sub/weights.gguf`,
      );
      const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
      expect(hash(await readFile(path))).toBe(hash(repository.files['sub/weights.gguf']!));
    });

    it('lists them, with the sha256 of large ones', async () => {
      const hub = await start([repository], { pageSize: 1 });
      const listed = await runHubClient(
        `import json
from huggingface_hub import HfApi
tree = HfApi().list_repo_tree("owner/Tiny-GGUF", recursive=True)
print(json.dumps([[f.path, f.size, f.lfs and f.lfs.sha256] for f in tree]))`,
        { HF_ENDPOINT: hub.endpoint, HF_HOME: folder.path },
      );
      const large = repository.files['sub/weights.gguf']!;
      expect(JSON.parse(listed)).toEqual([
        ['README.md', 6, null],
        ['sub/weights.gguf', 300_000, createHash('sha256').update(large).digest('hex')],
      ]);
    });

    it.each([
      ['hf_hub_download("owner/Gated", "a.gguf")', 'GatedRepoError'],
      ['hf_hub_download("owner/Tiny-GGUF", "b.gguf")', 'RemoteEntryNotFoundError'],
      ['HfApi().model_info("owner/None")', 'RepositoryNotFoundError'],
      ['HfApi().model_info("owner/Tiny-GGUF", revision="v9")', 'RevisionNotFoundError'],
    ])('refuses %s with %s', async (call, error) => {
      const hub = await start([
        repository,
        { id: 'owner/Gated', files: { 'a.gguf': new Uint8Array(3) }, gated: true },
      ]);
      const said = await runHubClient(
        `from huggingface_hub import HfApi, hf_hub_download
try:
  ${call}
except Exception as e:
  print(type(e).__name__)`,
        { HF_ENDPOINT: hub.endpoint, HF_HOME: folder.path },
      );
      expect(said).toBe(error);
    });
  },
);
