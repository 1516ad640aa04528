// Types of the answers of the API, made from those of Go: TYPES_UPDATE=1 go test ./gateway/app -run PageHasTypes

export interface AttemptList {
  sink: string;
  now: string;
  attempts: AttemptView[];
}

export interface AttemptView {
  id: string;
  time: string;
  milliseconds: number;
  target?: string;
  status: number;
  attempt: number;
  outcome: string;
  error?: string;
  next?: string;
  count: number;
  event: View;
  sendable: boolean;
  request?: MessageView;
  answer?: MessageView;
}

export interface BreakerStatus {
  state: string;
  until?: string;
  reason?: string;
  opened: number;
}

export interface CertificateStatus {
  listener: string;
  not_after?: string;
  renew_by?: string;
  loaded_at?: string;
  error?: string;
}

export interface Change {
  stage: number;
  transform: string;
  type: string;
  before?: View;
  after: View[];
  count: number;
  outcome: string;
  reason?: string;
  changed?: Difference[];
  more?: number;
  uncompared?: string;
}

export interface ClientList {
  sink: string;
  now: string;
  total: number;
  clients: ClientView[];
  next?: string;
}

export interface ClientView {
  id: string;
  address: string;
  user_agent?: string;
  subject?: string;
  protocol: string;
  since: string;
  lag_events: number;
  lag_bytes: number;
  sent_bytes: number;
  subscriptions: SubscriptionView[];
  subscription_count: number;
}

export interface Component {
  type?: string;
  summary?: string;
  at?: string;
  options: Option[];
  common: Option[];
  capabilities?: string[];
}

export interface ComponentPage {
  kind: string;
  name: string;
  now: string;
  config: any;
  health?: Health;
  failures: Failure[];
  latency?: RecentLatency;
  routes?: string[];
  lists: string[];
}

export interface Counts {
  seen: number;
  skipped: number;
  filtered: number;
}

export interface DemoState {
  redis: boolean;
  orders_until?: string;
  redis_away_until?: string;
  postgres_command?: string;
}

export interface Difference {
  path: string;
  change: string;
  before?: string;
  after?: string;
}

export interface DryRunResult {
  place: string;
  from?: string;
  items: Item[];
  sinks: Received[];
  failed?: string;
}

export interface EdgeStatus {
  from: string;
  to: string;
  events: number;
}

export interface Failed {
  number: number;
  reason: string;
}

export interface Failure {
  text: string;
  first: string;
  last: string;
  count: number;
}

export interface GatewayHealth {
  state: string;
  reasons: Reason[];
}

export interface HeaderView {
  name: string;
  value: string;
}

export interface Health {
  up: boolean;
  since: string;
  failing: boolean;
  failing_since?: string;
  attempts: number;
  errors: number;
  panics: number;
  last_error?: string;
  last_error_at?: string;
}

export interface HistoryPage {
  start: number;
  count: number;
  whole: boolean;
  next: string;
  total: Record<string, (number | null)[]>;
  components: Record<string, Record<string, (number | null)[]>>;
}

export interface Item {
  time: string;
  component: string;
  skipped: number;
  events: View[];
  count: number;
  steps?: Change[];
  outcome: string;
  reason?: string;
  attempts?: number;
  to?: string[];
}

export interface LeaderStatus {
  name: string;
  state: string;
  term?: number;
  holder?: string;
}

export interface Letter {
  number: number;
  time: string;
  component: string;
  place: string;
  reason: string;
  attempts: number;
  attempt_id?: string;
  source: string;
  channel: string;
  key?: string;
  id?: string;
  event_time: string;
  attrs?: Record<string, string>;
  data: string;
  masked?: boolean;
  hidden?: string;
}

export interface LettersStatus {
  in: number;
  stored: number;
  returned: number;
  lost: number;
  pending: number;
  found: number;
  held: number;
  removed: number;
  evicted: number;
  expired: number;
  total: number;
  bytes: number;
  max_bytes: number;
  oldest?: string;
  error?: string;
}

export interface MessageView {
  header: HeaderView[];
  body: string;
  encoding?: string;
  bytes: number;
  truncated?: boolean;
  hidden?: string;
}

export interface Occurrence {
  number: number;
  time: string;
  component: string;
  kind: string;
  level: string;
  text: string;
}

export interface Option {
  name: string;
  type: string;
  doc?: string;
  value: any;
  set: boolean;
  default?: string;
  at?: string;
  variables?: string[];
}

export interface Overview {
  role: string;
  version: string;
  started: string;
  now: string;
  dead_letters: number;
  demo: boolean;
  demo_state?: DemoState;
  paths_here: boolean;
  conservation_broken?: string;
  reload: ReloadStatus;
  health: GatewayHealth;
  certificates?: CertificateStatus[];
  timeline: string;
  sources: SourceStatus[];
  routes: RouteStatus[];
  sinks: SinkStatus[];
  edges: EdgeStatus[];
  dead_letter_store?: LettersStatus;
}

export interface Reason {
  component: string;
  since: string;
  text: string;
}

export interface Received {
  sink: string;
  payloads: string[];
}

export interface RecentLatency {
  seconds: number;
  events: number;
  p50: number;
  p99: number;
}

export interface ReloadStatus {
  at: string;
  successful: boolean;
  error?: string;
  restart_needed?: string[];
}

export interface ReplayState {
  id: number;
  to?: string;
  rate?: number;
  started: string;
  ended?: string;
  sent: number;
  delivered: number;
  failed: number;
  queued: number;
  failures: Failed[];
  canceled?: boolean;
  error?: string;
}

export interface RouteStatus {
  name: string;
  from: string[];
  through: string[];
  to: string[];
  dead_letter?: string;
  in: number;
  added: number;
  filtered: number;
  merged: number;
  held: number;
  dropped: number;
  dead_lettered: number;
  returned: number;
  out: number;
  windows_ended_early: number;
  failing: boolean;
  failing_since?: string;
  errors: number;
  panics: number;
  last_error?: string;
  last_error_at?: string;
  plugin?: Record<string, number>;
}

export interface SinkStatus {
  name: string;
  type: string;
  dead_letter?: string;
  up: boolean;
  since: string;
  failing: boolean;
  failing_since?: string;
  attempts: number;
  errors: number;
  panics: number;
  last_error?: string;
  last_error_at?: string;
  in: number;
  delivered: number;
  dropped: Record<string, number>;
  dead_lettered: number;
  returned: number;
  queued: number;
  writing: number;
  queued_bytes: number;
  capacity: number;
  capacity_bytes: number;
  retrying: number;
  held_back: number;
  paths?: string[];
  needs_token?: boolean;
  lists?: string[];
  snapshots?: string[];
  breaker: BreakerStatus;
  retries: number;
  negative_latency: number;
  plugin?: Record<string, number>;
}

export interface SourceStatus {
  name: string;
  type: string;
  up: boolean;
  since: string;
  failing: boolean;
  failing_since?: string;
  attempts: number;
  errors: number;
  panics: number;
  last_error?: string;
  last_error_at?: string;
  leader?: LeaderStatus;
  stalled?: StallStatus;
  emitted: number;
  acked: number;
  nacked: number;
  outstanding: number;
  gaps: number;
  keyless: number;
  refused: number;
  origin_unknown: number;
  gaps_at_start: number;
  gaps_passed_on: number;
  last_event_at?: string;
  plugin?: Record<string, number>;
}

export interface StallStatus {
  since: string;
  reason: string;
}

export interface SubscriptionView {
  id: string;
  channels: string[];
  filter?: string;
}

export interface TimelinePage {
  now: string;
  whole: boolean;
  next: string;
  occurrences: Occurrence[];
}

export interface View {
  id?: string;
  source: string;
  channel: string;
  key?: string;
  time: string;
  attrs?: Record<string, string>;
  payload: string;
  encoding?: string;
  bytes: number;
  truncated?: boolean;
  masked?: boolean;
  hidden?: string;
}
