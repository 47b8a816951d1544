/** @file The conversation with one model, and how likely the tokens of its answers were. */

import { useSignal } from "@preact/signals";
import { useId } from "preact/hooks";
import { Notice } from "../components/notice.tsx";
import type { WrittenToken } from "./completion-stream.ts";
import type { AnswerState, Lane, Turn } from "./conversation.ts";
import { describeToken, formatProbability, showToken, stepOf } from "./token-probability.ts";

/** A piece of an answer that is looked at. */
interface Place {
  readonly turn: number;
  readonly piece: number;
}

export function LanePanel({ lane: { label, turns } }: { readonly lane: Lane }) {
  const slider = useId();
  const place = useSignal<Place>();
  const last = turns.value.length - 1;
  const { turn, piece } = place.value ?? { turn: last, piece: 0 };
  const pieces = turns.value[turn]?.pieces.value ?? [];
  const tokens = pieces[piece]?.tokens ?? [];
  return (
    <section class="lane" aria-label={label}>
      <h2>{label}</h2>
      {turns.value.length === 0 && <p class="quiet">Nothing has been asked yet.</p>}
      {turns.value.map((one, index) => (
        <TurnView
          key={index}
          turn={one}
          chosen={place.value?.turn === index ? piece : undefined}
          onPoint={(piece) => {
            place.value = { turn: index, piece };
          }}
        />
      ))}
      {pieces.length > 0 && (
        <div class="likely">
          <label for={slider}>
            Token {piece + 1} of {pieces.length}
            {turn < last && `, answer ${turn + 1}`}
          </label>
          <input
            id={slider}
            type="range"
            min="0"
            max={pieces.length - 1}
            value={piece}
            aria-valuetext={tokens.map(describeToken).join("; ")}
            onInput={(event) => {
              place.value = { turn, piece: event.currentTarget.valueAsNumber };
            }}
            onFocus={() => {
              place.value = { turn, piece };
            }}
          />
          <Probabilities tokens={tokens} />
        </div>
      )}
    </section>
  );
}

function TurnView({
  turn: { prompt, pieces, state },
  chosen,
  onPoint,
}: {
  readonly turn: Turn;
  readonly chosen: number | undefined;
  readonly onPoint: (piece: number) => void;
}) {
  return (
    <div class="turn">
      <p class="asked">
        <span class="hidden">You: </span>
        {prompt}
      </p>
      <p class="answer">
        <span class="hidden">Answer: </span>
        {pieces.value.map((piece, index) => (
          <span
            key={index}
            class={`step-${stepOf(piece) ?? "none"}${index === chosen ? " chosen" : ""}`}
            onPointerEnter={() => onPoint(index)}
          >
            {piece.text}
          </span>
        ))}
      </p>
      <End state={state.value} tokens={pieces.value.reduce((sum, { tokens }) => sum + tokens.length, 0)} />
    </div>
  );
}

function End({ state, tokens }: { readonly state: AnswerState; readonly tokens: number }) {
  if (state.kind === "failed") return <Notice kind="error">{state.sentence}</Notice>;
  const sentence = {
    writing: "writing…",
    ended: state.kind === "ended" && state.reason === "length" ? "cut off: no room was left" : "ended",
    stopped: "stopped",
  }[state.kind];
  return (
    <small>
      {tokens} tokens, {sentence}
    </small>
  );
}

/** The likeliest tokens at a place, and the one that was taken. */
function Probabilities({ tokens }: { readonly tokens: readonly WrittenToken[] }) {
  return (
    <div aria-hidden="true">
      {tokens.map((token, index) => {
        const isAmong = token.top.some((one) => one.token === token.token);
        return (
          <ul key={index} class="bare">
            {[...token.top, ...(isAmong ? [] : [token])].map((one, index) => (
              <li key={index} class={one.token === token.token ? "taken" : undefined}>
                <code>{showToken(one.token)}</code>
                <meter min={0} max={1} value={Math.exp(one.logprob)} />
                <span>{formatProbability(one)}</span>
              </li>
            ))}
          </ul>
        );
      })}
    </div>
  );
}
