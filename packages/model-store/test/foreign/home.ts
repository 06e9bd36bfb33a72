import { afterEach, beforeEach, vi } from 'vitest';

/** What tells apps and the store where to look, besides the home folder. */
const variables = [
  'HF_ENDPOINT',
  'HF_HOME',
  'HF_HUB_CACHE',
  'HF_HUB_OFFLINE',
  'HF_TOKEN',
  'HUGGINGFACE_HUB_CACHE',
  'MODELSCOPE_CACHE',
  'OLLAMA_MODELS',
  'PREFIX',
  'XDG_CACHE_HOME',
];

/** Makes a folder the home of the user in each test of a file, so that no app of the machine is seen. */
export function useHome(folder: { readonly path: string }): void {
  beforeEach(() => {
    vi.stubEnv('HOME', folder.path);
    for (const name of variables) vi.stubEnv(name, undefined);
  });
  afterEach(() => void vi.unstubAllEnvs());
}
