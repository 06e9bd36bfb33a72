import { manifestVersion, type QnnManifest } from './qnn-manifest.js';

/** The text of a manifest's file. */
export function writeManifest(manifest: QnnManifest): string {
  return `${JSON.stringify({ formatVersion: manifestVersion, ...manifest }, undefined, 2)}\n`;
}
