import type { TeacherForcedSide } from '@mobillm/core/testing';

/** Ten prompts of several kinds: prose, code, lists, a dialogue, other scripts. */
export const prompts: readonly string[] = [
  'The capital of France is',
  'Once upon a time, in a small village by the sea,',
  'def fibonacci(n):\n',
  'Water boils at',
  'List three primary colors:\n1.',
  'In 1969, astronauts',
  'SELECT name FROM users WHERE',
  'Q: Who wrote Hamlet?\nA:',
  '{"name": "Ada", "age":',
  'Привет! Меня зовут',
];

/** All of them in tokens. */
export function allPrompts({ model }: TeacherForcedSide): readonly (readonly number[])[] {
  return prompts.map((text) => model.tokenizer.encode(text, { addSpecial: true }));
}

/** A prompt of 40 tokens: with chunks of 32, two. */
export function twoChunks({ model }: TeacherForcedSide): readonly number[] {
  return model.tokenizer.encode(prompts.join(' ')).slice(0, 40);
}
