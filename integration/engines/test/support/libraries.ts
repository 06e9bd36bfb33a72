import { ensureVendorLibraries } from '../../../../scripts/vendor-libraries.mjs';

// Whatever else is installed on this machine, tests take the pinned libraries.
Object.assign(process.env, await ensureVendorLibraries());
