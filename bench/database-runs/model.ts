import { z } from 'zod';

/** What both sides of this benchmark agree on: how a run is asked for, and what it answers. */

/** Ways to build one database; each is a client of its own. */
export const clientNames = ['product', 'bareDriver', 'pool'] as const;
export const clientNameSchema = z.enum(clientNames);
export type ClientName = z.infer<typeof clientNameSchema>;

/** Without injected time, as in one region, as across regions. */
export const profileNames = ['zero', 'lan', 'wan'] as const;
export type ProfileName = (typeof profileNames)[number];

/** What the server adds to its own time, as a network and a busy database would. Milliseconds. */
export const profileSchema = z.object({
  /** Once per login: the round trips of TCP, TLS and the login itself, and the server's checks. */
  loginMs: z.number(),
  /** Once per answer. */
  replyMs: z.number(),
  /** Once per script batch. */
  scriptMs: z.number(),
});
export type Profile = z.infer<typeof profileSchema>;

export const serverInputSchema = z.object({ certificatesFolder: z.string(), profile: profileSchema });
export type ServerInput = z.infer<typeof serverInputSchema>;
export const serverReadySchema = z.object({ port: z.number(), caFile: z.string() });
/** Answer to any message: CPU time so far. */
export const serverCpuSchema = z.object({ cpuMs: z.number() });

export const clientInputSchema = z.object({
  client: clientNameSchema,
  port: z.number(),
  caFile: z.string(),
  databases: z.int(),
  /** Built first, and not measured. */
  warmUp: z.int(),
  concurrency: z.int(),
  scripts: z.int(),
  /** Characters of each script. */
  scriptLength: z.int(),
});
export type ClientInput = z.infer<typeof clientInputSchema>;

export const clientAnswerSchema = z.object({
  wallMs: z.number(),
  cpuMs: z.number(),
  /** One per database. */
  durationsMs: z.array(z.number()),
  /** The most that was ever resident, everything included. */
  maximumResidentBytes: z.number(),
});
export type ClientAnswer = z.infer<typeof clientAnswerSchema>;

export const login = { user: 'bench', password: 'Sqlfleet-bench-1' };
export const serverName = 'bench.example';
