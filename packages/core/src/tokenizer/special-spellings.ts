/**
 * Spellings that end a generation, whatever a file says of their kind. The lists are llama.cpp's,
 * so that both engines stop at the same tokens.
 */
const endSpellings = new Set([
  '<|eot_id|>',
  '<|im_end|>',
  '<|end|>',
  '<|return|>',
  '<|call|>',
  '<|flush|>',
  '<|calls|>',
  '<end_of_turn>',
  '<|endoftext|>',
  '</s>',
  '<|eom_id|>',
  '<EOT>',
  '_<EOT>',
  '[EOT]',
  '[EOS]',
  '<|end_of_text|>',
  '<end_of_utterance>',
  '<eos>',
  '<turn|>',
  '<|tool_response>',
  '<｜end▁of▁sentence｜>',
  '[e~[',
]);

/** Spellings of the parts of fill-in-the-middle prompts; the second list also ends a generation. */
const fimSpellings = new Set(
  (
    '<|fim_prefix|> <fim-prefix> <fim_prefix> <｜fim▁begin｜> <PRE> ▁<PRE> <|code_prefix|> ' +
    '<|prefix|> <|fim_suffix|> <fim-suffix> <fim_suffix> <｜fim▁hole｜> <SUF> ▁<SUF> ' +
    '<|code_suffix|> <|suffix|> <|fim_middle|> <fim-middle> <fim_middle> <｜fim▁end｜> <MID> ▁<MID> ' +
    '<|code_middle|> <|middle|>'
  ).split(' '),
);
const fimEndSpellings = new Set(
  (
    '<|fim_pad|> <fim-pad> <fim_pad> <PAD> [PAD] <|fim_repo|> <|repo_name|> <fim-repo> <REPO> ' +
    '<reponame> <|file_sep|>'
  ).split(' '),
);

/** Whether a token of this spelling is special even where a file calls it a normal one. */
export const isSpecialSpelling = (spelling: string): boolean =>
  endSpellings.has(spelling) || fimSpellings.has(spelling) || fimEndSpellings.has(spelling);

/** Those of some spellings after which a generation ends. */
export function endingSpellings(spellings: Iterable<string>): Set<string> {
  const ends = new Set<string>();
  for (const spelling of spellings) {
    if (endSpellings.has(spelling) || fimEndSpellings.has(spelling)) ends.add(spelling);
  }
  // Vocabularies of channels: there `<|end|>` only closes a channel.
  const harmony = ends.has('<|return|>') && ends.has('<|call|>');
  const solar = (ends.has('<|call|>') || ends.has('<|calls|>')) && ends.has('<|flush|>');
  if (harmony || solar) ends.delete('<|end|>');
  if (ends.has('<|tool_response>')) ends.delete('</s>');
  return ends;
}
