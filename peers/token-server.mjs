// A SMART Backend Services token endpoint on loopback: oidc-provider behind node:http, keeping nothing.
//
//   node token-server.mjs --audience FHIR_BASE --client ID=JWKS [--client ...] [--scope SCOPES] [--port 0] [--ttl 300]
//
// JWKS is where a client's public keys are: a URL that is fetched, as SMART wants it, or a file. When the server is ready
// it prints one line, {"ready": ISSUER, "token": TOKEN_URL}. After that each line tells of one token that was granted or
// of one request that was refused, and why. README.md says what is oidc-provider's and what is ours.
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { parseArgs } from 'node:util';
import { calculateJwkThumbprint, decodeProtectedHeader, exportJWK, generateKeyPair } from 'jose';
import Provider, { errors } from 'oidc-provider';

const { values: options } = parseArgs({
  options: {
    audience: { type: 'string' },
    client: { type: 'string', multiple: true, default: [] },
    scope: { type: 'string', default: 'system/Task.cruds system/Appointment.cruds system/Patient.rs' },
    port: { type: 'string', default: '0' },
    ttl: { type: 'string', default: '300' },
  },
});
const ttl = Number(options.ttl);
const ALGORITHMS = ['RS384', 'ES384']; // those that SMART names
const LONGEST = 5 * 60; // seconds that SMART lets an assertion live
const TOLERANCE = 5; //    seconds that two clocks may differ

const tell = (line) => console.log(JSON.stringify({ at: new Date().toISOString(), ...line }));

/** A scope of SMART's version 2 and all that are narrower, with those of version 1: system/Task.cruds has 34. */
function andNarrower(scope) {
  const [on, letters] = [scope.slice(0, scope.indexOf('.')), scope.slice(scope.indexOf('.') + 1)];
  const some = [...letters].reduce((sets, letter) => [...sets, ...sets.map((set) => set + letter)], ['']).slice(1);
  const v1 = Object.entries({ read: 'rs', write: 'cud', '*': 'cruds' }).filter(([, l]) => some.includes(l)).map(([word]) => word);
  return [...some, ...v1].map((what) => `${on}.${what}`);
}

const scopes = options.scope.split(' ').flatMap(andNarrower);

/** The registration of a client, from ID=JWKS. */
function client(text) {
  const [id, where] = [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)];
  return {
    client_id: id, token_endpoint_auth_method: 'private_key_jwt', grant_types: ['client_credentials'], response_types: [],
    redirect_uris: [], scope: scopes.join(' '), ...(/^http:/.test(where) ? { jwks_uri: where } : { jwks: JSON.parse(readFileSync(where)) }),
  };
}

/** The key that signs access tokens: a new one with every start, as after a move to another machine. */
async function signingKey() {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  const jwk = await exportJWK(privateKey);
  return { ...jwk, use: 'sig', alg: 'RS256', kid: await calculateJwkThumbprint(jwk) };
}

function provider(issuer, key) {
  const p = new Provider(issuer, {
    clients: options.client.map(client),
    jwks: { keys: [key] },
    scopes,
    clientAuthMethods: ['private_key_jwt'],
    enabledJWA: { clientAuthSigningAlgValues: ALGORITHMS },
    clockTolerance: TOLERANCE,
    ttl: { ClientCredentials: ttl },
    // oidc-provider hands over a dispatcher that keeps it away from loopback addresses. Here there are no others.
    fetch: (url, { dispatcher, ...rest }) => fetch(url, rest),
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => options.audience,
        getResourceServerInfo: () => ({
          scope: scopes.join(' '), audience: options.audience, accessTokenFormat: 'jwt', accessTokenTTL: ttl, jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
    // What SMART asks for and OpenID Connect does not.
    assertJwtClientAuthClaimsAndHeader(ctx, claims, header) {
      const refuse = (why) => { throw new errors.InvalidClientAuth(why); };
      if (claims.aud !== `${issuer}/token`) refuse('aud must be the URL of the token endpoint');
      if (claims.exp > Date.now() / 1000 + LONGEST + TOLERANCE) refuse('exp must not be more than five minutes ahead');
      if (!header.kid) refuse('kid is missing from the header');
    },
  });
  p.on('grant.success', (ctx) => {
    const { alg, kid } = decodeProtectedHeader(ctx.oidc.params.client_assertion);
    tell({ granted: ctx.oidc.client.clientId, alg, kid, scope: ctx.body.scope });
  });
  for (const event of ['grant.error', 'server_error']) {
    p.on(event, (ctx, err) => tell({ refused: ctx.oidc?.client?.clientId ?? null, error: err.error ?? err.name, why: reason(err) }));
  }
  return p;
}

/** Why a request was refused, with what is behind it: the client itself is not told. */
function reason(err) {
  const causes = [];
  for (let e = err; e; e = e.cause) causes.push(e.error_detail ?? e.error_description ?? e.message);
  return causes.filter(Boolean).join(': ');
}

const key = await signingKey();
let answer;
const server = http.createServer((req, res) => answer(req, res));
server.listen(Number(options.port), '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  answer = provider(issuer, key).callback();
  console.log(JSON.stringify({ ready: issuer, token: `${issuer}/token`, pid: process.pid }));
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(0));
