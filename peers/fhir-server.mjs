// A FHIR R4 server on loopback: Medplum's FhirRouter and MemoryRepository behind node:http, keeping nothing.
//
//   node fhir-server.mjs [--port 0] [--page-size 20] [--auth ISSUER] [--clock]
//
// With --auth it wants an access token of that token server (see smart.mjs). With --clock its clock stands still and is
// set by PUT /__clock with an instant. When it is ready it prints one line,
// {"ready": BASE_URL, "pid": N}. README.md says what is Medplum's and what is ours.
import http from 'node:http';
import { parseArgs } from 'node:util';
import { Guard, Refusal } from './smart.mjs';

const { values: options } = parseArgs({
  options: { port: { type: 'string', default: '0' }, 'page-size': { type: 'string', default: '20' }, auth: { type: 'string' }, clock: { type: 'boolean' } },
});

let now; // what the clock shows that is set; undefined: the real time
if (options.clock) {
  globalThis.Date = class extends Date {
    constructor(...given) { super(...(given.length === 0 && now !== undefined ? [now] : given)); }
    static now() { return now ?? super.now(); }
  };
}

// Medplum names WebSocket's constants when it is loaded. Node 22 has the class; before that a stand-in will do, for
// nothing here opens one.
globalThis.WebSocket ??= class { static CONNECTING = 0; static OPEN = 1; static CLOSING = 2; static CLOSED = 3; };
const { getStatus, globalSchema, gone, isResourceType, normalizeOperationOutcome, OperationOutcomeError } = await import('@medplum/core');
const { FhirRouter, MemoryRepository } = await import('@medplum/fhir-router');
const { validate } = await import('./validation.mjs');

const BASE = '/fhir/R4';
let root; // the base URL, known once the port is

/** Every resource that somebody tried to write and that is not valid R4, for GET /__invalid. */
const invalid = [];

// ---- repository ------------------------------------------------------------------------------------------------

class Repository extends MemoryRepository {
  #deleted = new Set();
  #index = new Index();

  // Creating, updating and patching all end here.
  createResourceSync(resource, ...rest) {
    try {
      validate(resource);
    } catch (err) {
      invalid.push({ at: new Date().toISOString(), issue: normalizeOperationOutcome(err).issue, resource });
      throw err;
    }
    const stored = super.createResourceSync(resource, ...rest);
    this.#deleted.delete(`${stored.resourceType}/${stored.id}`);
    this.#index.add(stored);
    return stored;
  }

  // Medplum looks at every resource of the type; it is handed those alone that can match.
  searchSync(request) {
    const type = request.resourceType;
    const all = this.resources.get(type);
    const ids = all && this.#index.candidates(request);
    if (!ids) return super.searchSync(request);
    this.resources.set(type, new Map(ids.filter((id) => all.has(id)).map((id) => [id, all.get(id)])));
    try {
      return super.searchSync(request);
    } finally {
      this.resources.set(type, all);
    }
  }

  async readResource(type, id) {
    if (this.#deleted.has(`${type}/${id}`)) throw new OperationOutcomeError(gone);
    return super.readResource(type, id);
  }

  async deleteResource(type, id, ...rest) {
    await super.deleteResource(type, id, ...rest);
    this.#deleted.add(`${type}/${id}`);
  }

  has(type, id) {
    return this.resources.get(type)?.has(id) ?? false;
  }
}

/** Which resources a search can be about, by identifier or by when they changed: with thousands, looking at all takes seconds. */
class Index {
  #order = new Map(); // "Type/id" -> when it was first seen, which is the order of an unsorted search
  #changes = new Map(); // type -> [{ at, id }], oldest first
  #identifiers = new Map(); // "Type system|value" -> ids that have or had it

  add({ resourceType, id, meta, identifier }) {
    const key = `${resourceType}/${id}`;
    if (!this.#order.has(key)) this.#order.set(key, this.#order.size);
    at(this.#changes, resourceType, () => []).push({ at: Date.parse(meta.lastUpdated), id });
    for (const { system, value } of [identifier ?? []].flat()) at(this.#identifiers, `${resourceType} ${system}|${value}`, () => new Set()).add(id);
  }

  /** The ids to look at, or undefined for all. It may name too many, never too few. */
  candidates({ resourceType, filters = [] }) {
    const token = filters.find((f) => f.code === 'identifier' && f.operator === 'eq' && /^[^,|]+\|[^,|]+$/.test(f.value));
    const since = filters.find((f) => f.code === '_lastUpdated' && ['ge', 'gt'].includes(f.operator) && f.value.includes('T'));
    const until = filters.find((f) => f.code === '_lastUpdated' && ['le', 'lt'].includes(f.operator) && f.value.includes('T'));
    let ids;
    if (token) ids = this.#identifiers.get(`${resourceType} ${token.value}`) ?? [];
    else if (since) ids = this.#changed(resourceType, Date.parse(since.value) - 1000, until ? Date.parse(until.value) + 1000 : Infinity);
    return ids && [...ids].sort((a, b) => this.#order.get(`${resourceType}/${a}`) - this.#order.get(`${resourceType}/${b}`));
  }

  #changed(type, from, until) {
    const ids = new Set();
    const changes = this.#changes.get(type) ?? [];
    for (let i = changes.length - 1; i >= 0 && changes[i].at >= from; i--) if (changes[i].at <= until) ids.add(changes[i].id);
    return ids;
  }
}

/** The value of a key, made when it is missing. */
function at(map, key, make) {
  if (!map.has(key)) map.set(key, make());
  return map.get(key);
}

const repository = new Repository();
const router = new FhirRouter();

let guard; // asks for access tokens; none without --auth

// ---- one FHIR request ------------------------------------------------------------------------------------------

class HttpError extends Error {
  constructor(status, code, text) {
    super(text);
    this.status = status;
    this.outcome = outcome(code, text);
  }
}

const outcome = (code, text) => ({ resourceType: 'OperationOutcome', issue: [{ severity: 'error', code, details: { text } }] });

/** Answers a request below the FHIR base: [status, headers, resource]. */
async function answer(req, path, text) {
  if (path === '/metadata') return [200, {}, metadata()];
  if (path === '/.well-known/smart-configuration' && guard) return [200, { 'content-type': 'application/json' }, guard.configuration()];
  const url = new URL(path, 'http://peer');
  const [type, id] = url.pathname.split('/').filter(Boolean);
  await guard?.check(req, type, id);
  if (type && !isResourceType(type)) throw new HttpError(404, 'not-supported', `there is no resource type ${type}`);
  const body = parseBody(req, text);
  const search = (req.method === 'GET' && type && !id) || (req.method === 'POST' && id === '_search');
  const query = id === '_search' ? new URLSearchParams(body) : url.searchParams;
  if (search) {
    checkParameters(type, query);
    if (!query.has('_count')) query.set('_count', options['page-size']);
  }
  const created = req.method === 'PUT' && id && !repository.has(type, id);
  const [result, resource] = await router.handleRequest({
    method: req.method, url: url.pathname + url.search, pathname: '', headers: req.headers, params: {}, query: {},
    body: id === '_search' ? Object.fromEntries(query) : body,
  }, repository);
  const status = created && getStatus(result) === 200 ? 201 : getStatus(result);
  if (search && resource) link(resource, type, query);
  return [status, headersOf(status, resource), resource ?? result];
}

function parseBody(req, text) {
  if (text === '') return undefined;
  const type = (req.headers['content-type'] ?? '').split(';')[0].trim();
  switch (type) {
    case 'application/x-www-form-urlencoded':
      return Object.fromEntries(new URLSearchParams(text));
    case 'application/fhir+json': case 'application/json': case 'application/json-patch+json':
      try {
        return JSON.parse(text);
      } catch (err) {
        throw new HttpError(400, 'structure', `the body is not JSON: ${err.message}`);
      }
    default:
      throw new HttpError(415, 'not-supported', `the content type "${type}" is not understood`);
  }
}

// As Medplum's own server does: a search parameter it does not know is an error and not silently left out.
function checkParameters(type, query) {
  for (const key of query.keys()) {
    const code = key.split(/[:.]/)[0];
    if (!code.startsWith('_') && !globalSchema.types[type]?.searchParams?.[code]) {
      throw new HttpError(400, 'not-supported', `${type} has no search parameter ${code}`);
    }
  }
}

function headersOf(status, resource) {
  const { versionId, lastUpdated } = resource?.meta ?? {};
  if (!versionId) return {};
  const headers = { etag: `W/"${versionId}"`, 'last-modified': new Date(lastUpdated).toUTCString() };
  if (status === 201) headers.location = `${root}/${resource.resourceType}/${resource.id}/_history/${versionId}`;
  return headers;
}

/** Adds what a searchset needs to be paged through. */
function link(bundle, type, query) {
  const offset = Number(query.get('_offset') ?? 0);
  const count = Number(query.get('_count'));
  const page = (at) => {
    const q = new URLSearchParams(query);
    q.set('_offset', at);
    return `${root}/${type}?${q}`;
  };
  bundle.link = [{ relation: 'self', url: page(offset) }];
  if (count > 0 && offset + count < bundle.total) bundle.link.push({ relation: 'next', url: page(offset + count) });
  for (const entry of bundle.entry ?? []) entry.fullUrl = `${root}/${entry.resource.resourceType}/${entry.resource.id}`;
}

/** What the server can do: every resource type, with Medplum's own search parameters. */
function metadata() {
  const interaction = ['read', 'vread', 'update', 'patch', 'delete', 'history-instance', 'create', 'search-type'].map((code) => ({ code }));
  const resource = Object.entries(globalSchema.types)
    .filter(([type, schema]) => isResourceType(type) && schema.searchParams)
    .map(([type, schema]) => ({
      type, interaction, versioning: 'versioned-update', readHistory: true, updateCreate: true, conditionalCreate: true,
      searchParam: Object.values(schema.searchParams).map((p) => ({ name: p.code, definition: p.url, type: p.type })),
    }));
  return {
    resourceType: 'CapabilityStatement', status: 'active', date: new Date().toISOString(), kind: 'instance', fhirVersion: '4.0.1',
    format: ['application/fhir+json'], patchFormat: ['application/json-patch+json'],
    software: { name: '@medplum/fhir-router on loopback' }, implementation: { description: 'a peer for tests; it keeps nothing', url: root },
    rest: [{ mode: 'server', resource }],
  };
}

// ---- HTTP ------------------------------------------------------------------------------------------------------

async function serve(req, res) {
  const text = await bodyOf(req);
  if (req.url === '/__invalid') return send(res, 200, { 'content-type': 'application/json' }, invalid);
  if (options.clock && req.method === 'PUT' && req.url === '/__clock') {
    now = Date.parse(text);
    return send(res, 200, {}, {});
  }
  if (!req.url.startsWith(`${BASE}/`)) return send(res, 404, {}, outcome('not-found', `the FHIR base is ${root}`));
  try {
    return send(res, ...await answer(req, req.url.slice(BASE.length), text));
  } catch (err) {
    if (err instanceof Refusal) return send(res, err.status, err.headers, outcome(err.code, err.message));
    return send(res, err.status ?? 500, {}, err.outcome ?? outcome('exception', err.message));
  }
}

async function bodyOf(req) {
  const chunks = [];
  for await (const chunk of req) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

function send(res, status, headers, body) {
  res.writeHead(status, { 'content-type': 'application/fhir+json; charset=utf-8', date: new Date().toUTCString(), ...headers });
  res.end(JSON.stringify(body));
}

const server = http.createServer((req, res) => serve(req, res).catch((err) => {
  console.error(err);
  res.destroy();
}));
server.listen(Number(options.port), '127.0.0.1', () => {
  root = `http://127.0.0.1:${server.address().port}${BASE}`;
  if (options.auth) guard = new Guard(options.auth, root);
  console.log(JSON.stringify({ ready: root, pid: process.pid }));
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(0));
