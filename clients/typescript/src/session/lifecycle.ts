/**
 * What becomes of a conversation: who waits, who is asked, who has it. The data are alike in every
 * dialect; each adds its own envelope. Types only; a new event is one more line of `Lifecycle`.
 *
 * Ids are as in the frames; `department_id` and `agent_id` are UUIDs where routing is concerned.
 */

interface OfSession {
  session_id: string;
  /** How far a reader has read who has read this; the session dialect's. */
  cursor?: string;
}

/** It waits. Comes again, without a cursor, whenever the place or the wait has changed. */
export interface QueuedData extends OfSession {
  /** From 1. */
  position: number;
  estimated_wait_seconds: number;
  department_id?: string | null;
}

export interface AssignedData extends OfSession {
  agent_id: string;
  /** The agent's name, or its id. */
  agent_name: string;
  department_id: string | null;
}

/** It goes to an agent, or to a department's queue. */
export interface TransferredData extends OfSession {
  from_agent_id: string | null;
  to_agent_id?: string;
  to_department_id?: string;
}

/** Who answers. */
export type InCharge = "bot" | "queue" | "agent";

export interface HandoffData extends OfSession {
  from: InCharge;
  to: InCharge;
  reason: string;
  /** The agent it was taken from, when `from` is `agent`. */
  agent_id?: string;
}

/** It has waited for long, and a rule of its department applies. */
export interface EscalatedData extends OfSession {
  waited_seconds: number;
  rule: string;
  action: "supervisors" | "department" | "bot" | "offline_message";
  /** Whose agents may take it now, too. */
  department_id?: string;
}

/** Nobody serves at this hour; told once for each time it waits. */
export interface OutsideHoursData extends OfSession {
  /** RFC 3339, UTC; absent if nobody knows. */
  opens_at?: string;
}

export interface ClosedData extends OfSession {
  by: string;
  /** The agent who had it, if one did. */
  agent_id?: string;
}

export type ReopenedData = ClosedData;

export interface RatedData extends OfSession {
  /** 1 (poor) to 5 (excellent). */
  score: number;
  comment?: string;
  agent_id?: string;
}

/** An agent is asked to take it: claim it, or decline. For agents and admins. */
export interface OfferedData extends OfSession {
  agent_id: string;
  agent_name: string;
  /** RFC 3339, UTC, milliseconds: after that the next one is asked. */
  until: string;
  /** The how-manieth offer of this wait, from 1. */
  attempt: number;
}

/** What became of an offer. For agents and admins. */
export interface OfferEndedData extends OfSession {
  agent_id: string;
  outcome: "accepted" | "declined" | "expired" | "withdrawn";
}

/** What its agent must know. For agents and admins. */
export interface RequirementsData extends OfSession {
  /** 0 unless set; higher goes first. */
  priority: number;
  skills: string[];
  /** A BCP 47 tag. */
  language?: string;
}

/** The events by their names. */
export interface Lifecycle {
  conversation_queued: QueuedData;
  conversation_assigned: AssignedData;
  conversation_transferred: TransferredData;
  conversation_handoff: HandoffData;
  conversation_escalated: EscalatedData;
  conversation_outside_hours: OutsideHoursData;
  conversation_closed: ClosedData;
  conversation_reopened: ReopenedData;
  conversation_rated: RatedData;
  conversation_offered: OfferedData;
  conversation_offer_ended: OfferEndedData;
  conversation_requirements: RequirementsData;
}

export type LifecycleType = keyof Lifecycle;

/** Each as a frame of the session dialect. */
export type LifecycleFrame = {
  [T in LifecycleType]: { type: T; data: Lifecycle[T] };
}[LifecycleType];
