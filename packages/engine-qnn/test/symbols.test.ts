import { fileURLToPath } from 'node:url';
import { describeAddonSymbols } from '@mobillm/core/testing';

describeAddonSymbols(
  'QNN',
  fileURLToPath(new URL('../build/Release/mobillm_qnn.node', import.meta.url)),
);
