/**
 * What to do about a model that does not fit the memory, as the sentence that ends the message of
 * `OUT_OF_MEMORY`: for engines whose library finds that out by itself.
 *
 * @param context what helps first, where a shorter context does, as the object of "Use …"
 * @param own what the engine says of its options; see `EngineDriver.memoryAdvice`
 */
export function memoryAdvice(context: string | undefined, own: readonly string[]): string {
  const helping = [...(context === undefined ? [] : [context]), ...own];
  const last = 'a smaller model or a smaller quantization of it';
  const list = helping.length === 0 ? last : `${helping.join(', ')}, or ${last}`;
  return `Use ${list}; or free memory.`;
}
