import { fileURLToPath } from 'node:url';
import { describeAddonSymbols } from '@mobillm/core/testing';

describeAddonSymbols(
  'llama.cpp',
  fileURLToPath(new URL('../build/Release/mobillm_llamacpp.node', import.meta.url)),
);
