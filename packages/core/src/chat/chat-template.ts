import { MobillmError } from '../errors/mobillm-error.js';
import { BoundedTemplate } from './bounded-template.js';

/** A message as templates know it. */
export interface TemplateMessage extends Readonly<Record<string, unknown>> {
  /** Who speaks. */
  readonly role: string;
  /** What is said. */
  readonly content: string | null;
  /** Name of the speaker or of the tool. */
  readonly name?: string;
}

/** What a template knows besides the messages. */
export interface ChatTemplateVariables {
  /** Spelling of the beginning-of-sequence token, `''` if there is none. */
  readonly bosText: string;
  /** Spelling of the end-of-sequence token, `''` if there is none. */
  readonly eosText: string;
  /** Whether the text ends with what opens the assistant's turn. */
  readonly addGenerationPrompt: boolean;
  /** Definitions of the tools; without any the template knows no such variable. */
  readonly tools?: readonly unknown[];
}

/** A model's chat template: Jinja, as its own metadata holds it. */
export class ChatTemplate {
  readonly #template: BoundedTemplate;

  /**
   * @param source Jinja source.
   * @throws MobillmError `TEMPLATE_FAILED` when it cannot be parsed.
   */
  constructor(source: string) {
    try {
      this.#template = new BoundedTemplate(source);
    } catch (cause) {
      throw new MobillmError(
        'TEMPLATE_FAILED',
        `The model's chat template cannot be parsed: ${messageOf(cause)}. Pass another one as the option "chatTemplate".`,
        { cause },
      );
    }
  }

  /**
   * Renders messages to the text that the model was trained on.
   *
   * @throws MobillmError `TEMPLATE_FAILED` when the template rejects the messages, with its reason.
   */
  render(messages: readonly TemplateMessage[], variables: ChatTemplateVariables): string {
    try {
      return this.#template.render({
        messages: messages.map((message) => ({ ...message })),
        add_generation_prompt: variables.addGenerationPrompt,
        bos_token: variables.bosText,
        eos_token: variables.eosText,
        ...(variables.tools && { tools: variables.tools }),
      });
    } catch (cause) {
      const roles = messages.map((message) => message.role).join(', ');
      throw new MobillmError(
        'TEMPLATE_FAILED',
        `The model's chat template rejects these messages (${roles}): ${messageOf(cause)}`,
        { cause, details: { roles: messages.map((message) => message.role) } },
      );
    }
  }
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
