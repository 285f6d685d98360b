// The part of the wall around src/core that oxlint's own rules cannot see: where an import leads, by whatever syntax.
import { dirname, relative, resolve, sep } from "node:path";

interface Node {
  type: string;
  value?: unknown;
  source?: Node | null;
}

interface Context {
  filename: string;
  cwd: string;
  report(finding: { node: Node; message: string }): void;
}

const onlyCore = {
  create(context: Context) {
    const core = resolve(context.cwd, "src/core");

    function check({ source }: Node): void {
      if (!source) return;
      const specifier = source.value;
      if (typeof specifier === "string" && /^\.\.?\//.test(specifier)) {
        const target = relative(core, resolve(dirname(context.filename), specifier));
        if (target !== ".." && !target.startsWith(`..${sep}`)) return;
      }
      context.report({
        node: source,
        message: `src/core imports only src/core: pass the data, or a function, in; a type moves there.`,
      });
    }

    return {
      ImportDeclaration: check,
      ExportNamedDeclaration: check,
      ExportAllDeclaration: check,
      ImportExpression: check,
      TSImportType: check,
      MetaProperty(node: Node) {
        context.report({ node, message: "src/core does not know where it lies: pass the path in." });
      },
    };
  },
};

export default { meta: { name: "core-wall" }, rules: { "only-core": onlyCore } };
