/** A function that a model may ask for, as OpenAI's API describes one. */
export interface ToolDefinition {
  /** The only kind there is. */
  readonly type: 'function';
  /** What the model is told of it. */
  readonly function: {
    /** Letters, digits and `_ . : / -`, 128 at most; no two tools of a request have one name. */
    readonly name: string;
    /** What it does and when to use it. */
    readonly description?: string;
    /**
     * JSON Schema of its arguments, an object. Handed to the template as it is; `required` and the
     * `type` of `properties` are checked when a call comes back, and a call that is forced is valid by all
     * of it. No arguments by default.
     */
    readonly parameters?: Readonly<Record<string, unknown>>;
  };
}

/**
 * Whether the model calls tools, as OpenAI's API has it: `auto` leaves it to the model; `none` leaves the
 * tools out of the prompt, so that it answers with text; `required` makes its answer a call of one of
 * them, and a name a call of that one.
 */
export type ToolChoice =
  | 'auto'
  | 'none'
  | 'required'
  | {
      readonly type: 'function';
      readonly function: {
        /** Name of one of the tools that are given. */
        readonly name: string;
      };
    };
