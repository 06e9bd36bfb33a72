import { MobillmError } from '../errors/mobillm-error.js';
import { reasoningMarks } from '../stream/reasoning-splitter.js';
import type { EncodeOptions, Token, Tokenizer } from '../tokenizer/tokenizer.js';
import { ChatTemplate } from './chat-template.js';
import type { Message } from './message.js';
import { SpecialText } from './special-text.js';
import type { CallFormat } from './tools/call-format.js';
import { detectFormat } from './tools/detect-format.js';
import { type ForcedCalls, forceCalls } from './tools/force-calls.js';
import type { ToolDefinition } from './tools/tool-definition.js';
import { ToolTemplate } from './tools/tool-template.js';
import { renderAsWritten, type WrittenTurns } from './tools/written-turns.js';

/** A prompt ready for an engine. */
export interface EncodedPrompt {
  /** Rendered text with special spellings hidden; two prompts with one beginning share it here. */
  readonly text: string;
  /** Its tokens. */
  readonly tokens: readonly Token[];
  /** Whether the template opened a reasoning block that the model will close. */
  readonly insideReasoning: boolean;
  /** What the model is taken to have written at its end: what forced calls begin with. */
  readonly begun?: string;
  /** How many of the oldest messages do not fit and are left out. */
  readonly droppedMessages?: number;
  /** Whether some of those were in the prompt before. */
  readonly drops?: boolean;
}

/** A text that was encoded, or generated, before: its tokens need not be found again. */
export interface KnownBeginning {
  /** Text in the form of {@link EncodedPrompt.text}. */
  readonly text: string;
  /** The tokens that stand for it. */
  readonly tokens: readonly Token[];
}

/** What {@link ConversationEncoder.encode} is told besides the messages. */
export interface EncodeConversationOptions {
  /**
   * A beginning whose tokens are kept as they are, if the new text begins with it: what a model wrote
   * does not always encode to the tokens that it wrote.
   */
  readonly known?: KnownBeginning | undefined;
  /** Tools that the model may call. Default none. */
  readonly tools?: readonly ToolDefinition[];
  /** Calls that the answer is to be. */
  readonly forced?: ForcedCalls | undefined;
  /** What the model wrote for messages with calls; used where the known beginning holds it. */
  readonly written?: WrittenTurns;
}

/** A text on the way to its tokens; what encodes it sends them back. */
interface EncodeStep {
  readonly text: string;
  readonly options: EncodeOptions;
}

/** Work that asks for the tokens of one text after the other, whoever encodes them and where. */
type Encoding<T> = Generator<EncodeStep, T, readonly Token[]>;

/**
 * Characters of a text that is worth being encoded on another thread: less takes well below a
 * millisecond.
 */
const longText = 1024;

/** Renders conversations by a model's template and encodes them. */
export class ConversationEncoder {
  readonly #tokenizer: Tokenizer;
  readonly #source: string | undefined;
  #template: ToolTemplate | undefined;
  #format: CallFormat | undefined;
  #special: SpecialText | undefined;
  #spaceProbe: boolean | undefined;

  /** @param source Jinja source, if the model has a template. It is parsed at first use. */
  constructor(tokenizer: Tokenizer, source: string | undefined) {
    this.#tokenizer = tokenizer;
    this.#source = source;
  }

  /**
   * Renders and encodes messages, ending where the assistant begins to speak.
   *
   * @throws MobillmError `UNSUPPORTED` without a template, `TEMPLATE_FAILED`.
   */
  encode(messages: readonly Message[], options: EncodeConversationOptions = {}): EncodedPrompt {
    return this.#here(this.#conversation(messages, options));
  }

  /** The same, with long texts encoded away from this thread where the tokenizer can. */
  encodeAsync(
    messages: readonly Message[],
    options: EncodeConversationOptions,
    signal: AbortSignal,
  ): Promise<EncodedPrompt> {
    return this.#away(this.#conversation(messages, options), signal);
  }

  /**
   * The tokens that a conversation begins with, whatever is said next: what two ways to go on have in
   * common.
   *
   * @throws MobillmError `UNSUPPORTED` without a template, `TEMPLATE_FAILED`.
   */
  beginning(messages: readonly Message[], tools: readonly ToolDefinition[] = []): Token[] {
    const [one, other] = ['A', 'If'].map(
      (content) => this.encode([...messages, { role: 'user', content }], { tools }).tokens,
    ) as [readonly Token[], readonly Token[]];
    const parting = one.findIndex((token, index) => token !== other[index]);
    return one.slice(0, parting === -1 ? one.length : parting);
  }

  /** Encodes a text without a template, special spellings as plain text. */
  encodeText(text: string, signal: AbortSignal): Promise<readonly Token[]> {
    return this.#tokensOf({ text, options: { addSpecial: true, parseSpecial: false } }, signal);
  }

  #here<T>(work: Encoding<T>): T {
    let step = work.next();
    while (!step.done) {
      const { text, options } = step.value;
      step = work.next(this.#tokenizer.encode(text, options));
    }
    return step.value;
  }

  async #away<T>(work: Encoding<T>, signal: AbortSignal): Promise<T> {
    let step = work.next();
    while (!step.done) step = work.next(await this.#tokensOf(step.value, signal));
    return step.value;
  }

  async #tokensOf({ text, options }: EncodeStep, signal: AbortSignal): Promise<readonly Token[]> {
    if (text.length < longText || !this.#tokenizer.encodeAsync) {
      return this.#tokenizer.encode(text, options);
    }
    const [tokens = []] = await this.#tokenizer.encodeAsync([text], { ...options, signal });
    return tokens;
  }

  *#conversation(
    messages: readonly Message[],
    { known, tools = [], written, forced }: EncodeConversationOptions,
  ): Encoding<EncodedPrompt> {
    let text = this.#render(messages, tools);
    if (known && written && !text.startsWith(known.text)) {
      const other = renderAsWritten(messages, written, (said) => this.#render(said, tools));
      if (other?.startsWith(known.text)) text = other;
    }
    if (text === '') throw nothingRendered();
    const insideReasoning = text.trimEnd().endsWith(reasoningMarks.open);
    const thought = insideReasoning ? `\n${reasoningMarks.close}\n\n` : '';
    const begun = forced && thought + forced.opening;
    text += begun ?? '';
    const ending = { insideReasoning, ...(begun !== undefined && { begun }) };
    if (known && known.tokens.length > 0 && text.startsWith(known.text)) {
      const rest = yield* this.#encodeParts(text.slice(known.text.length), true);
      return { text, tokens: [...known.tokens, ...rest], ...ending };
    }
    const { bosToken, addsBosToken } = this.#tokenizer;
    const startsWithBos = bosToken !== undefined && text.startsWith(this.#spellingOf(bosToken));
    const bos = addsBosToken && bosToken !== undefined && !startsWithBos ? [bosToken] : [];
    const tokens = yield* this.#encodeParts(text, false);
    return { text, tokens: [...bos, ...tokens], ...ending };
  }

  /** How this model writes its calls. */
  get callFormat(): CallFormat {
    const special = this.#tokenizer.specialTokens.map(({ text }) => text);
    return (this.#format ??= detectFormat(this.#source ?? '', new Set(special)));
  }

  /** Makes this model call one of some tools; see {@link forceCalls}. */
  forceCalls(tools: readonly ToolDefinition[], maxCalls: number): ForcedCalls {
    const specialTexts = this.#tokenizer.specialTokens.map(({ text }) => text);
    return forceCalls({ format: this.callFormat, specialTexts, tools, maxCalls });
  }

  #render(messages: readonly Message[], tools: readonly ToolDefinition[]): string {
    if (this.#source === undefined) {
      throw new MobillmError(
        'UNSUPPORTED',
        'This model has no chat template, so it cannot take messages. Pass one as the option "chatTemplate" when opening it, or generate from a "prompt".',
      );
    }
    this.#template ??= new ToolTemplate(new ChatTemplate(this.#source), this.callFormat);
    const special = this.#specialText();
    // Roles and types are of a few words each, and all else comes from somebody.
    const hidden = special.hideAll(messages) as readonly Message[];
    const { bosToken, eosToken } = this.#tokenizer;
    return this.#template.render(hidden, special.hideAll(tools) as readonly ToolDefinition[], {
      bosText: bosToken === undefined ? '' : this.#spellingOf(bosToken),
      eosText: eosToken === undefined ? '' : this.#spellingOf(eosToken),
      addGenerationPrompt: true,
    });
  }

  #specialText(): SpecialText {
    return (this.#special ??= new SpecialText(
      this.#tokenizer.specialTokens.map(({ text }) => text),
    ));
  }

  *#encodeParts(text: string, continues: boolean): Encoding<Token[]> {
    const tokens: Token[] = [];
    for (const [index, part] of this.#specialText().parts(text).entries()) {
      const inside = continues || index > 0;
      // Not by spreading: a long text has more tokens than a call may have arguments.
      for (const token of yield* this.#encodePart(part.text, !part.plain, inside)) {
        tokens.push(token);
      }
    }
    return tokens;
  }

  /** Encodes a part of a text; `inside` says that it does not begin the text. */
  *#encodePart(text: string, parseSpecial: boolean, inside: boolean): Encoding<readonly Token[]> {
    const options = { parseSpecial };
    if (!inside || !this.addsSpace) return yield { text, options };
    // SentencePiece vocabularies put a space before every text. Inside one that would be wrong, so the
    // part is encoded behind a character that merges with nothing, whose tokens are then cut off.
    const head = yield { text: lonelyCharacter, options };
    const whole = yield { text: lonelyCharacter + text, options };
    if (head.every((token, index) => whole[index] === token)) return whole.slice(head.length);
    return yield { text, options };
  }

  /** Whether this vocabulary puts a space before every text that it encodes (SentencePiece). */
  get addsSpace(): boolean {
    if (this.#spaceProbe === undefined) {
      const [first] = this.#tokenizer.encode('a');
      this.#spaceProbe = first !== undefined && this.#tokenizer.tokenBytes(first)[0] === 0x20;
    }
    return this.#spaceProbe;
  }

  #spellingOf(token: Token): string {
    const special = this.#tokenizer.specialTokens.find((item) => item.token === token);
    return special?.text ?? this.#tokenizer.decode([token], { showSpecial: true });
  }
}

function nothingRendered(): MobillmError {
  return new MobillmError(
    'TEMPLATE_FAILED',
    'The chat template renders these messages to an empty text. Pass another one as the option "chatTemplate".',
  );
}

/** From a private-use area: no vocabulary holds it, so it always encodes to its bytes alone. */
const lonelyCharacter = '\uE0B7';
