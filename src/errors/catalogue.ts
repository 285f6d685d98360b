/**
 * Every error that Gleaner shows to a person: code, what is wrong, what to do.
 * `docs/errors.md` lists them; a test keeps the two the same.
 */

/** gRPC's canonical names, without importing gRPC here. */
export type StatusName =
  | "INVALID_ARGUMENT"
  | "NOT_FOUND"
  | "ALREADY_EXISTS"
  | "FAILED_PRECONDITION"
  | "RESOURCE_EXHAUSTED"
  | "UNAVAILABLE"
  | "ABORTED"
  | "DEADLINE_EXCEEDED"
  | "UNIMPLEMENTED"
  | "INTERNAL";

interface Entry {
  readonly status: StatusName;
  /** `{name}` is filled in from the error's details. */
  readonly message: string;
  readonly remedy: string;
}

export const catalogue = {
  INVALID_FIELD: {
    status: "INVALID_ARGUMENT",
    message: "{field}: {problem}",
    remedy: "Correct the field and send the request again; nothing was changed.",
  },
  BATCH_TOO_LARGE: {
    status: "INVALID_ARGUMENT",
    message: "{count} guests in one batch; at most {countMax} are taken.",
    remedy: "Send several batches.",
  },
  GUEST_NOT_FOUND: {
    status: "NOT_FOUND",
    message: "No guest {id} is known.",
    remedy: "See `gleaner jobs --all`; ended guests are kept for a limited time only.",
  },
  DEVICE_NOT_FOUND: {
    status: "NOT_FOUND",
    message: "No device {uuid} is known.",
    remedy: "See `gleaner top` for the devices that agents have reported.",
  },
  POOL_NOT_FOUND: {
    status: "NOT_FOUND",
    message: "No pool {pool} is known.",
    remedy:
      "See `gleaner top` for the pools; a pool exists once a device of it was reported or a policy was set.",
  },
  HOLD_NOT_FOUND: {
    status: "NOT_FOUND",
    message: "No hold {id} stands.",
    remedy: "See `gleaner hold --list`.",
  },
  LOG_NOT_FOUND: {
    status: "NOT_FOUND",
    message: "No log of guest {id} is kept{why}.",
    remedy: "Logs are kept on the host that ran the attempt; ask again once the guest has started there.",
  },
  KEY_REUSED: {
    status: "ALREADY_EXISTS",
    message: "The idempotency key {key} was used for another specification (guest {id}).",
    remedy: "Choose another key, or send the first specification unchanged.",
  },
  ZONE_FULL: {
    status: "RESOURCE_EXHAUSTED",
    message: "This zone has {count} guests that have not ended; its limit is {countMax}.",
    remedy:
      "Wait until some have ended, then submit again, or raise queue.openMax where Redis has the memory.",
  },
  QUEUE_FULL: {
    status: "RESOURCE_EXHAUSTED",
    message: "Tenant {tenant} has {count} guests that have not ended; its limit is {countMax}.",
    remedy: "Wait until some have ended or cancel some, then submit again.",
  },
  SUBMIT_BACKLOG_FULL: {
    status: "RESOURCE_EXHAUSTED",
    message: "{count} guests wait to be written to the queue already; at most {countMax} may.",
    remedy:
      "Send it again in a moment; nothing was accepted. If it stays, Redis is slower than the submitters.",
  },
  WATCHER_TOO_SLOW: {
    status: "RESOURCE_EXHAUSTED",
    message: "This watcher is {count} changes behind and was cut off.",
    remedy: "Call Watch again: it begins with the present state. Read faster or narrow the filter.",
  },
  WATCHER_STALLED: {
    status: "RESOURCE_EXHAUSTED",
    message: "The reader of this stream took nothing for {stalledMsMax} ms and was cut off.",
    remedy:
      "Call again and read as it comes: Watch begins with the present state, and a recall goes on without its caller.",
  },
  TOO_MANY_WATCHERS: {
    status: "RESOURCE_EXHAUSTED",
    message: "{countMax} watchers are served already.",
    remedy: "Share one Watch among its readers, or raise api.watchersMax.",
  },
  TOO_MANY_AGENTS: {
    status: "RESOURCE_EXHAUSTED",
    message: "{countMax} agents are connected already.",
    remedy: "Give some of the hosts a zone, and so a controller, of their own.",
  },
  TOO_MANY_RECALLS: {
    status: "RESOURCE_EXHAUSTED",
    message: "{countMax} recalls stand already.",
    remedy: "Recall a pool or the fleet in one call, or ask the agent of the host.",
  },
  REQUEST_TOO_LARGE: {
    status: "RESOURCE_EXHAUSTED",
    message: "The request has {bytes} bytes; at most {bytesMax} are taken.",
    remedy: "Send less at once.",
  },
  AGENT_REFUSED: {
    status: "FAILED_PRECONDITION",
    message: "Agent {agentId} was refused: {problem}",
    remedy: "Correct the agent's configuration and start it again.",
  },
  CONTROLLER_SYNCING: {
    status: "UNAVAILABLE",
    message: "The controller is still reading its state after a start.",
    remedy: "Try again in a second; the client library does so by itself.",
  },
  AGENT_STATE_UNREADABLE: {
    status: "FAILED_PRECONDITION",
    message: "The agent's state at {path} cannot be read: {problem}",
    remedy:
      "Restore the file. Without it the agent would not know what it promised; move it away only while no guest runs.",
  },
  AGENT_DIR_IN_USE: {
    status: "FAILED_PRECONDITION",
    message: "Another agent works in {path}.",
    remedy: "Stop it, or give this agent a data directory of its own.",
  },
  CONTROLLER_DIR_IN_USE: {
    status: "FAILED_PRECONDITION",
    message: "Another controller works in {path}.",
    remedy: "Stop it, or give this controller a data directory of its own.",
  },
  RUNTIME_UNAVAILABLE: {
    status: "FAILED_PRECONDITION",
    message: "Guests cannot be run by {runtime} on this machine: {problem}",
    remedy: "Give the agent the right to make cgroups, or let it choose the runtime by itself (auto).",
  },
  LAUNCH_FAILED: {
    status: "FAILED_PRECONDITION",
    message: "{command} could not be started: {problem}",
    remedy: "Check on the agent's host what the message names; the guest counts it as a failure.",
  },
  AGENT_UNREACHABLE: {
    status: "UNAVAILABLE",
    message: "The agent of host {host} is not connected.",
    remedy: "See the agent's log on that host; its guests end by themselves at the end of their terms.",
  },
  REDIS_UNREACHABLE: {
    status: "UNAVAILABLE",
    message: "Redis at {url} does not answer: {problem}",
    remedy: "Start Redis or set REDIS_URL. Recalls are served meanwhile; nothing new is lent.",
  },
  REDIS_UNSUITABLE: {
    status: "FAILED_PRECONDITION",
    message: "Redis at {url} is not usable: {problem}",
    remedy: "Give Gleaner a Redis 6.2 or newer with maxmemory-policy noeviction and appendonly yes.",
  },
  LEADERSHIP_LOST: {
    status: "UNAVAILABLE",
    message:
      "Epoch {epoch} no longer leads this zone: another controller took over, Redis came back older, or its lock could not be renewed in time.",
    remedy:
      "Nothing was changed. This controller ends; started again, as `gleaner up` does, it takes the lead anew or stands by. Ask again in a moment.",
  },
  NOT_LEADER: {
    status: "UNAVAILABLE",
    message: "This controller stands by: it serves Recall only{elsewhere}.",
    remedy: "Ask the controller that leads; clients that are given all addresses find it by themselves.",
  },
  LEAD_TAKEN: {
    status: "UNAVAILABLE",
    message: "This controller takes the lead: agents begin anew with it.",
    remedy: "Nothing; agents connect again by themselves.",
  },
  LEDGER_FULL: {
    status: "RESOURCE_EXHAUSTED",
    message:
      "{count} events wait for the SQL books; at most {countMax} may. Nothing is lent until they are read.",
    remedy:
      "See in the controller's log why the books are not written (a full disk?), or raise ledger.streamEntriesMax.",
  },
  TOO_MANY_HOLDS: {
    status: "RESOURCE_EXHAUSTED",
    message: "{countMax} {what} are kept already.",
    remedy: "End those that are no longer needed, or name a pool or the fleet instead of single devices.",
  },
  STORE_UNREADABLE: {
    status: "FAILED_PRECONDITION",
    message: "Redis holds what Gleaner did not write: {problem}",
    remedy:
      "Find out what else writes the zone's keys (gleaner:…); restore Redis from before, or remove the entry.",
  },
  REDIS_NOT_INSTALLED: {
    status: "FAILED_PRECONDITION",
    message: "There is no redis-server on this machine and REDIS_URL is not set.",
    remedy: "Run scripts/bootstrap as root, install Debian's redis-server, or set REDIS_URL.",
  },
  SERVICE_NOT_FOUND: {
    status: "NOT_FOUND",
    message: "No service {service} is served here.",
    remedy: "List the services, for instance with `grpcurl -plaintext ADDRESS list`.",
  },
  NOT_SERVED_HERE: {
    status: "UNIMPLEMENTED",
    message: "An agent serves only Recall.",
    remedy: "Call the controller for {method}.",
  },
  CONTAINERS_NEED_KUBERNETES: {
    status: "FAILED_PRECONDITION",
    message: "spec.container: guests in containers run on Kubernetes, and this zone has none.",
    remedy: "Submit a process (spec.process), or use a zone with Kubernetes.",
  },
  INFERENCE_NOT_SERVED: {
    status: "FAILED_PRECONDITION",
    message: "{field}: inference guests are not served by this release.",
    remedy: "Submit a batch guest (GUEST_KIND_BATCH); elastic inference guests come with a later release.",
  },
  INSECURE_LISTEN: {
    status: "FAILED_PRECONDITION",
    message: "Refusing to listen on {address}: it is not a loopback address, and there are no credentials.",
    remedy: "Listen on 127.0.0.1, or give TLS and a token (not in this release).",
  },
  LISTEN_FAILED: {
    status: "FAILED_PRECONDITION",
    message: "Cannot listen on {address}: {problem}",
    remedy: "Choose another address or port, or stop the process that holds it.",
  },
  CONFIG_INVALID: {
    status: "INVALID_ARGUMENT",
    message: "{source}: {field}: {problem}",
    remedy: "Correct the setting; `gleaner {command} --help` and docs/settings.md list them all.",
  },
  FILE_UNREADABLE: {
    status: "INVALID_ARGUMENT",
    message: "{path}: {problem}",
    remedy: "Check the path and the permissions.",
  },
  FILE_DAMAGED: {
    status: "INVALID_ARGUMENT",
    message: "{path}: the gzip file is damaged or breaks off: {problem}",
    remedy: "Fetch or copy it anew; `gzip -t` tells whether a file is whole.",
  },
  FILE_UNWRITABLE: {
    status: "INVALID_ARGUMENT",
    message: "{path}: {problem}",
    remedy: "Check the directory, the permissions and the room on the disk.",
  },
  TRACE_INVALID: {
    status: "INVALID_ARGUMENT",
    message: "{path}, line {line}: {problem}",
    remedy:
      "A trace of devices has the columns time_s,device,pool,gpu_util_pct,mem_used_mib (docs/telemetry.md), one of pools time_s,pool,gpus_total,gpus_busy[,gpus_pending], one of jobs submit_s,duration_s,gpus,pool, a file of guests submit_s,duration_s[,checkpoint_s] (docs/backtest.md).",
  },
  TRACE_TOO_LARGE: {
    status: "INVALID_ARGUMENT",
    message: "{path}: the trace has more than {what}.",
    remedy: "Split it by time or by pool; `gleaner backtest --until-s` takes its beginning.",
  },
  PROMETHEUS_FAILED: {
    status: "UNAVAILABLE",
    message: "{url}, query {query} at {time}: {problem}",
    remedy:
      "Check the URL and the query in Prometheus itself; nothing was taken for idle. With `--keep` the same command goes on from the last whole piece.",
  },
  KEPT_HISTORY_REFUSED: {
    status: "FAILED_PRECONDITION",
    message: "{path}: {problem}.",
    remedy:
      "Give the same options as at first to go on, or name another file; remove {path} and {path}.json to fetch it anew. What it holds by now `--trace {path}` takes.",
  },
  GUEST_FILE_INVALID: {
    status: "INVALID_ARGUMENT",
    message: "{path}: {field}: {problem}",
    remedy: "See `gleaner submit --help` for the format of guest files.",
  },
  COMMAND_INVALID: {
    status: "INVALID_ARGUMENT",
    message: "{problem}",
    remedy: "See `gleaner {command} --help`.",
  },
  CONTROLLER_UNREACHABLE: {
    status: "UNAVAILABLE",
    message: "No controller answers at {address}.",
    remedy: "Start one with `gleaner up`, or give its address with --address or GLEANER_ADDRESS.",
  },
  SERVER_STOPPING: {
    status: "UNAVAILABLE",
    message: "The server is stopping.",
    remedy: "Call again in a moment: it comes back, or another replica answers.",
  },
  CALL_TIMED_OUT: {
    status: "DEADLINE_EXCEEDED",
    message: "{address} did not answer {method} in time.",
    remedy: "Try again, or allow more time. A Recall goes on without its caller.",
  },
  UNEXPECTED_ANSWER: {
    status: "INTERNAL",
    message: "{address} answered {method} with {status}: {problem}",
    remedy: "Check that the address is that of a Gleaner of the same version.",
  },
  CHILD_FAILED: {
    status: "INTERNAL",
    message: "The {name} did not start: {problem}",
    remedy: "Its log says more: {logPath}",
  },
  BOOKS_UNREADABLE: {
    status: "FAILED_PRECONDITION",
    message: "The books at {path} cannot be read: {problem}",
    remedy: "Give the path of a ledger.sqlite that a controller wrote.",
  },
  BOOKS_UNAVAILABLE: {
    status: "UNAVAILABLE",
    message: "The books are not kept at the moment: {problem}",
    remedy:
      "Try again in some seconds; the controller keeps trying, see its log. Recalls are served meanwhile, and nothing that happens is lost.",
  },
  REPORTS_BUSY: {
    status: "RESOURCE_EXHAUSTED",
    message: "{countMax} reports wait for another already.",
    remedy: "Ask again in some seconds.",
  },
  DECISIONS_NOT_FOUND: {
    status: "NOT_FOUND",
    message: "No decisions are kept in {path}.",
    remedy:
      "Name the controller's data directory with --data-dir; with decisions.keptMibMax 0 it keeps no decisions.",
  },
  DECISIONS_UNREADABLE: {
    status: "FAILED_PRECONDITION",
    message: "{path}: {problem}",
    remedy: "Read it with the release that wrote it, or remove the file; no loan depends on it.",
  },
  INTERNAL: {
    status: "INTERNAL",
    message: "A defect in Gleaner: {problem}",
    remedy: "Please report it with the controller's log around this moment.",
  },
} as const satisfies Record<string, Entry>;

export type ErrorCode = keyof typeof catalogue;
