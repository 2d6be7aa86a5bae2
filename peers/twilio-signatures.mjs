// Signs and checks requests with Twilio's own library. Each line on standard input is a request, and each line on standard
// output what the library says of it:
//
//   {"token", "url", "params"}                     -> {"signature"}   how Twilio signs a form
//   {"token", "url", "body"}                       -> {"signature", "url"}   how Twilio signs JSON, with the hash in the URL
//   {"token", "url", "params"|"body", "signature"} -> {"valid"}       whether the library takes it
//
// params has a list where a parameter is repeated; algorithm, where it is given, is HMAC_SHA1 or HMAC_SHA256.
import { createInterface } from 'node:readline';
import twilio from 'twilio';
import { getExpectedBodyHash, getExpectedTwilioSignature } from 'twilio/lib/webhooks/webhooks.js';

function withHash(url, body) {
  return `${url}${url.includes('?') ? '&' : '?'}bodySHA256=${getExpectedBodyHash(body)}`;
}

function answer({ token, url, params, body, signature, algorithm }) {
  if (signature !== undefined) {
    const valid = body === undefined
      ? twilio.validateRequest(token, signature, url, params, algorithm)
      : twilio.validateRequestWithBody(token, signature, url, body, algorithm);
    return { valid };
  }
  if (body !== undefined) {
    const signed = withHash(url, body);
    return { signature: getExpectedTwilioSignature(token, signed, {}, algorithm), url: signed };
  }
  return { signature: getExpectedTwilioSignature(token, url, params, algorithm) };
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(answer(JSON.parse(line))));
}
