import { impossibleMetadata } from '../gguf/gguf-errors.js';

/** Longest piece that is built by merges, in characters; real ones have up to 64. */
const maxPieceCharacters = 256;
const maxMerges = 2 ** 22;
/** Characters of all pieces, each a place to cut at: four times those of the largest vocabulary known. */
const maxCharacters = 2 ** 23;

/**
 * The merges that give the pieces of a SentencePiece vocabulary by their scores: every way to make a
 * piece of two others, the highest score first. Among equal scores the lower token goes first, and
 * then the shorter left half, as merging from the left does.
 *
 * @param pieces the pieces that may be made and used, with their tokens
 * @param scores by token
 * @throws MobillmError `MODEL_INVALID` for a score that is no number, and for pieces beyond all measure.
 */
export function sentencePieceMerges(
  pieces: ReadonlyMap<string, number>,
  scores: ArrayLike<number>,
): string[] {
  let characters = 0;
  for (const piece of pieces.keys()) characters += piece.length;
  if (characters > maxCharacters) {
    throw impossibleMetadata(
      'tokenizer.ggml.tokens',
      `has ${characters} characters, and at most ${maxCharacters} can be merged`,
    );
  }
  const found: { readonly score: number; readonly token: number; readonly merge: string }[] = [];
  for (const [piece, token] of pieces) {
    const score = scores[token] ?? 0;
    if (Number.isNaN(score)) {
      throw impossibleMetadata('tokenizer.ggml.scores', `says of token ${token} what is no number`);
    }
    if (piece.length > maxPieceCharacters) {
      throw impossibleMetadata(
        'tokenizer.ggml.tokens',
        `has a token of ${piece.length} characters, and at most ${maxPieceCharacters} can be merged`,
      );
    }
    for (let cut = 1; cut < piece.length; cut++) {
      // Not between the halves of a surrogate pair.
      if ((piece.charCodeAt(cut) & 0xfc00) === 0xdc00) continue;
      const left = piece.slice(0, cut);
      if (!pieces.has(left)) continue;
      const right = piece.slice(cut);
      if (!pieces.has(right)) continue;
      found.push({ score, token, merge: `${left} ${right}` });
    }
    if (found.length > maxMerges) {
      throw impossibleMetadata('tokenizer.ggml.tokens', 'can be merged in too many ways');
    }
  }
  // The sort is stable: the ways to make one token stay in order.
  found.sort((a, b) => b.score - a.score || a.token - b.token);
  return found.map(({ merge }) => merge);
}
