// A FHIR R4 server on loopback: Medplum's FhirRouter and MemoryRepository behind node:http, keeping nothing.
//
//   node fhir-server.mjs [--port 0] [--page-size 20]
//
// When it is ready it prints one line, {"ready": BASE_URL, "pid": N}. README.md says what is Medplum's and what is ours,
// and describes the addresses beside the FHIR base: /__invalid, /__log, /__fault and /__without.
import http from 'node:http';
import { parseArgs } from 'node:util';

const { values: options } = parseArgs({ options: { port: { type: 'string', default: '0' }, 'page-size': { type: 'string', default: '20' } } });

// Medplum names WebSocket's constants when it is loaded. Node 22 has the class; before that a stand-in will do, for
// nothing here opens one.
globalThis.WebSocket ??= class { static CONNECTING = 0; static OPEN = 1; static CLOSING = 2; static CLOSED = 3; };
const { getStatus, globalSchema, gone, isResourceType, normalizeOperationOutcome, OperationOutcomeError } = await import('@medplum/core');
const { FhirRouter, MemoryRepository } = await import('@medplum/fhir-router');
const { validate } = await import('./validation.mjs');

const BASE = '/fhir/R4';
let root; // the base URL, known once the port is

// ---- what the tests look at ------------------------------------------------------------------------------------

const invalid = []; // every resource that somebody tried to write and that is not valid R4
const log = []; //     every FHIR request, without bodies
const faults = []; //  what POST /__fault asked for and did not happen yet
const without = []; // features that POST /__without has switched off

// ---- repository ------------------------------------------------------------------------------------------------

class Repository extends MemoryRepository {
  #deleted = new Set();

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
    return stored;
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

const repository = new Repository();
const router = new FhirRouter();

const can = (feature) => !without.some((w) => w.feature === feature);

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
  if (!can('conditional-create')) delete req.headers['if-none-exist']; // as a server does that does not know the header
  const url = new URL(path, 'http://peer');
  const [type, id] = url.pathname.split('/').filter(Boolean);
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
      type, interaction, versioning: 'versioned-update', readHistory: true, updateCreate: true, conditionalCreate: can('conditional-create'),
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
  switch (req.url) {
    case '/__invalid': return list(req, res, invalid);
    case '/__log': return list(req, res, log);
    case '/__fault': return list(req, res, faults, text);
    case '/__without': return list(req, res, without, text);
  }
  if (!req.url.startsWith(`${BASE}/`)) return send(res, 404, {}, outcome('not-found', `the FHIR base is ${root}`));
  const path = req.url.slice(BASE.length);
  const entry = { at: new Date().toISOString(), method: req.method, path, agent: req.headers['user-agent'], ifMatch: req.headers['if-match'], ifNoneExist: req.headers['if-none-exist'] };
  log.push(entry);
  const fault = take(req.method, path);
  if (fault?.status && !fault.after) return send(res, entry.status = fault.status, {}, outcome('transient', 'a fault that was asked for'));
  let reply;
  try {
    reply = await answer(req, path, text);
  } catch (err) {
    reply = [err.status ?? 500, {}, err.outcome ?? outcome('exception', err.message)];
  }
  if (fault?.delayMs) await new Promise((done) => setTimeout(done, fault.delayMs)); // it is done; others overtake the answer
  if (fault?.drop) { // it is done, and nobody hears of it
    entry.status = 0;
    return res.destroy();
  }
  if (fault?.status) reply = [fault.status, {}, outcome('transient', 'a fault that was asked for')];
  entry.status = reply[0];
  return send(res, ...reply);
}

async function bodyOf(req) {
  const chunks = [];
  for await (const chunk of req) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

/** GET shows a list, DELETE empties it, POST adds to it where that is allowed. */
function list(req, res, items, text) {
  if (req.method === 'POST' && text) items.push({ times: 1, ...JSON.parse(text) });
  if (req.method === 'DELETE') items.length = 0;
  return send(res, 200, { 'content-type': 'application/json' }, items);
}

/** The fault that was asked for a request like this, if any. */
function take(method, path) {
  const at = faults.findIndex((f) => (!f.method || f.method === method) && (!f.path || path.startsWith(f.path)));
  if (at < 0) return undefined;
  const fault = faults[at];
  if (--fault.times <= 0) faults.splice(at, 1);
  return fault;
}

function send(res, status, headers, body) {
  res.writeHead(status, { 'content-type': 'application/fhir+json; charset=utf-8', ...headers });
  res.end(JSON.stringify(body));
}

const server = http.createServer((req, res) => serve(req, res).catch((err) => {
  console.error(err);
  res.destroy();
}));
server.listen(Number(options.port), '127.0.0.1', () => {
  root = `http://127.0.0.1:${server.address().port}${BASE}`;
  console.log(JSON.stringify({ ready: root, pid: process.pid }));
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(0));
