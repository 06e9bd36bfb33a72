import { Application, ReflectionKind } from 'typedoc';

/** Members that tell the types of a union apart: their type is all there is to say. */
const discriminants = new Set(['fits', 'kind', 'type']);

/**
 * A TypeDoc plugin that asks for a docstring on every member of what is exported. TypeDoc's own check
 * would also ask for one on each discriminant, and inside types that are written in place, which the
 * docstring above them explains.
 *
 * @param {Application} app
 */
export function load(app) {
  app.on(Application.EVENT_VALIDATE_PROJECT, (project) => {
    const members = project.getReflectionsByKind(ReflectionKind.Property | ReflectionKind.Method);
    for (const member of members) {
      const isInPlace = member.parent?.kindOf(ReflectionKind.TypeLiteral);
      const inherited = member.inheritedFrom !== undefined;
      if (isInPlace || inherited || discriminants.has(member.name) || isDocumented(member))
        continue;
      app.logger.warn(`${member.getFullName()} has no docstring`);
    }
  });
}

function isDocumented(member) {
  const documented = [member, ...(member.signatures ?? []), member.getSignature];
  return documented.some((reflection) => reflection?.hasComment());
}
