import { qnnManifestVersion, type QnnManifest } from '@mobillm/core';

/** The text of a manifest's file. */
export function writeManifest(manifest: QnnManifest): string {
  return `${JSON.stringify({ formatVersion: qnnManifestVersion, ...manifest }, undefined, 2)}\n`;
}
