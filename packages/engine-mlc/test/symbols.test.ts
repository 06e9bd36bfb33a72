import { fileURLToPath } from 'node:url';
import { describeAddonSymbols } from '@mobillm/core/testing';

describeAddonSymbols(
  'MLC',
  fileURLToPath(new URL('../build/Release/mobillm_mlc.node', import.meta.url)),
);
