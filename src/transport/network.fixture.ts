/** @file For tests: a network of this machine's own, with a link for each member that can be slowed down or pulled out. */

import { spawnSync } from "node:child_process";

export interface Network {
  /** The address at which members reach the machine that holds the network. */
  readonly host: string;
  /** How slow the links are, in words. */
  readonly links: string;
  /** Words before a command that has it run at a member's end of its link. */
  at(member: string): readonly string[];
  /** Pulls a member's link out, or plugs it in. */
  setLink(member: string, state: "up" | "down"): void;
  remove(): void;
}

const bridge = "slimtune-br";
const host = "10.213.77.1";
const namespaceOf = (member: string) => `slimtune-${member}`;
/** Interfaces have names of 15 characters at most. */
const linkOf = (member: string) => `st-${member.slice(0, 10)}`;

function run(words: string): boolean {
  const [program, ...rest] = words.split(" ");
  return spawnSync(program!, rest, { stdio: "ignore" }).status === 0;
}

function mustRun(words: string): void {
  if (!run(words))
    throw new Error(`"${words}" failed; a network needs root, iproute2 and network namespaces.`);
}

/** Whether this user may make networks here. */
export function canMakeNetworks(): boolean {
  const works = run("ip netns add slimtune-probe");
  run("ip netns delete slimtune-probe");
  return works;
}

/**
 * A network namespace for each member, joined by a bridge. Links have 40 ms and lose 1 % of their packets where the kernel has netem, and
 * else carry 20 Mbit/s (tbf).
 */
export function createNetwork(members: readonly string[]): Network {
  const remove = () => {
    for (const member of members) run(`ip netns delete ${namespaceOf(member)}`);
    run(`ip link delete ${bridge}`);
  };
  // Those that a test left behind when it was killed.
  remove();
  mustRun(`ip link add ${bridge} type bridge`);
  mustRun(`ip address add ${host}/24 dev ${bridge}`);
  mustRun(`ip link set ${bridge} up`);
  let links = "";
  for (const [i, member] of members.entries()) {
    const [namespace, link] = [namespaceOf(member), linkOf(member)];
    mustRun(`ip netns add ${namespace}`);
    mustRun(`ip link add ${link} type veth peer name eth0 netns ${namespace}`);
    mustRun(`ip link set ${link} master ${bridge} up`);
    const inside = `ip -n ${namespace}`;
    mustRun(`${inside} address add 10.213.77.${i + 2}/24 dev eth0`);
    mustRun(`${inside} link set eth0 up`);
    mustRun(`${inside} link set lo up`);
    const shape = `ip netns exec ${namespace} tc qdisc add dev eth0 root`;
    if (run(`${shape} netem delay 40ms loss 1%`)) links = "40 ms, 1 % of packets lost (netem)";
    else if (run(`${shape} tbf rate 20mbit burst 64kbit latency 400ms`))
      links = "20 Mbit/s up (tbf; this kernel has no netem)";
    else links = "as fast as the machine (this kernel has neither netem nor tbf)";
  }
  return {
    ...{ host, links, remove },
    at: (member) => ["ip", "netns", "exec", namespaceOf(member)],
    setLink: (member, state) => mustRun(`ip link set ${linkOf(member)} ${state}`),
  };
}
