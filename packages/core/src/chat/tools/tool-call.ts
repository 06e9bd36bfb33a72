/** A call that a model asks for: run the tool and send its result as a `tool` message with this id. */
export interface ToolCall {
  /**
   * Tells the calls of a conversation apart: the model's own where it writes one, else `call00000` and
   * up by the calls that went before, which is repeatable and of the nine characters that Mistral wants.
   */
  readonly id: string;
  /** Name of the tool. */
  readonly name: string;
  /** What it is called with; plain JSON. */
  readonly arguments: Readonly<Record<string, unknown>>;
}

/** A call that cannot be made. What the model wrote is part of the answer's text. */
export interface ToolCallProblem {
  /**
   * `malformed`: not in the form that this model's calls have. `incomplete`: the answer ended in its
   * middle. `unknown-tool`: no tool of that name was given. `invalid-arguments`: one that is required is
   * missing or has another type.
   */
  readonly reason: 'malformed' | 'incomplete' | 'unknown-tool' | 'invalid-arguments';
  /** What is wrong, in a sentence that can be sent back to the model. */
  readonly message: string;
  /** Name of the tool, as far as it could be read. */
  readonly name: string | undefined;
  /** What the model wrote, up to where it went wrong. */
  readonly text: string;
}
