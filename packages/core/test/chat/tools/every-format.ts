import { deepseekFormat } from '../../../src/chat/tools/deepseek-format.js';
import { functionaryFormat } from '../../../src/chat/tools/functionary-format.js';
import { gemmaFormat } from '../../../src/chat/tools/gemma-format.js';
import { genericFormat } from '../../../src/chat/tools/generic-format.js';
import { hermesFormat } from '../../../src/chat/tools/hermes-format.js';
import { llamaFormat } from '../../../src/chat/tools/llama-format.js';
import { mistralFormat } from '../../../src/chat/tools/mistral-format.js';
import { phiFormat } from '../../../src/chat/tools/phi-format.js';

/** The format of every family. */
export const everyFormat = [
  hermesFormat,
  llamaFormat,
  mistralFormat,
  gemmaFormat,
  deepseekFormat,
  phiFormat,
  functionaryFormat,
  genericFormat,
] as const;
