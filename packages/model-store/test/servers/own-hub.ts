import { afterEach, beforeEach, vi } from 'vitest';
import type { Folder } from '../support/model-folders.js';
import { hubServers, type HubOptions, type HubServer } from './hub-server.js';

/**
 * Hubs with one repository, `owner/Tiny`, that the environment of a test names; nobody is logged in there.
 *
 * @param folder where the tokens of a login would be
 */
export function ownHubs(folder: {
  readonly path: string;
}): (files: Folder, options?: HubOptions) => Promise<HubServer> {
  const start = hubServers();
  beforeEach(() => {
    vi.stubEnv('HF_HOME', folder.path);
    vi.stubEnv('HF_TOKEN', undefined);
  });
  afterEach(() => void vi.unstubAllEnvs());
  return async (files, options) => {
    const hub = await start([{ id: 'owner/Tiny', files }], options);
    vi.stubEnv('HF_ENDPOINT', hub.endpoint);
    return hub;
  };
}
