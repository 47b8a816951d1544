/** @file A chat completion that is streamed: server-sent events as OpenAI's API sends them, and what they tell. */

/** A token that could stand at a place, with the natural logarithm of its probability. */
export interface LikelyToken {
  readonly token: string;
  readonly logprob: number;
}

export interface WrittenToken extends LikelyToken {
  /** The likeliest at its place, best first. */
  readonly top: readonly LikelyToken[];
}

/** A part of an answer: the text of one token, or of several that end in the middle of a character. */
export interface Piece {
  readonly text: string;
  readonly tokens: readonly WrittenToken[];
}

/** Why an answer ended: "stop" where the model ended it, "length" where its room did. */
export type FinishReason = string;

interface CompletionChunk {
  readonly error?: { readonly message: string };
  readonly choices?: readonly {
    readonly delta: { readonly content?: string };
    readonly finish_reason: FinishReason | null;
    readonly logprobs?: {
      readonly content: readonly (LikelyToken & { readonly top_logprobs: readonly LikelyToken[] })[];
    } | null;
  }[];
}

/**
 * Takes each piece of a streamed completion as it comes.
 *
 * @returns why it ended
 * @throws Error with the server's sentence if the completion failed on the way, or if the stream ends before it does
 */
export async function readCompletion(
  body: ReadableStream<Uint8Array>,
  onPiece: (piece: Piece) => void,
): Promise<FinishReason> {
  let finish: FinishReason | undefined;
  for await (const data of readEvents(body)) {
    if (data === "[DONE]") break;
    const { error, choices = [] } = JSON.parse(data) as CompletionChunk;
    if (error) throw new Error(error.message);
    for (const { delta, finish_reason, logprobs } of choices) {
      finish = finish_reason ?? finish;
      const tokens = (logprobs?.content ?? []).map(({ token, logprob, top_logprobs: top }) => ({
        ...{ token, logprob, top },
      }));
      for (const piece of divide(delta.content ?? "", tokens)) onPiece(piece);
    }
  }
  if (finish === undefined) throw new Error("The answer broke off: the connection to the studio was lost.");
  return finish;
}

/** A piece for each token where their texts are the text, otherwise one of all. */
function divide(text: string, tokens: readonly WrittenToken[]): Piece[] {
  if (tokens.map(({ token }) => token).join("") === text)
    return tokens.map((token) => ({ text: token.token, tokens: [token] }));
  return [{ text, tokens }];
}

/** The data of each server-sent event. */
async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      const events = (rest + decoder.decode(next.value, { stream: true })).split(/\r?\n\r?\n/);
      rest = events.pop()!;
      for (const event of events) {
        const lines = event.split(/\r?\n/).filter((line) => line.startsWith("data:"));
        if (lines.length > 0) yield lines.map((line) => line.slice(5).replace(/^ /, "")).join("\n");
      }
    }
  } finally {
    // Whoever stops reading ends the writing of the answer.
    await reader.cancel();
  }
}
