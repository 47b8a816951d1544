import { readdirSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { type Node, SyntaxKind } from "typescript/unstable/ast";
import { API, type Symbol as Declared, SymbolFlags } from "typescript/unstable/sync";
import { afterAll, describe, expect, test } from "vitest";

const root = resolve(".");
/** There is no such file: it stands for the examples of the docstrings, as a person would write them. */
const file = `${root}/examples/docstrings.ts`;
let text = "export {};";

const api = new API({
  cwd: root,
  fs: {
    getAccessibleEntries: (path) =>
      path === `${root}/examples`
        ? { files: [...readdirSync(path), "docstrings.ts"], directories: [] }
        : undefined,
    fileExists: (path) => path === file || undefined,
    readFile: (path) => (path === file ? text : undefined),
  },
});
afterAll(() => api.close());
const openProject = () => {
  const files = { openProjects: [`${root}/tsconfig.json`], fileChanges: { changed: [file] } };
  return api.updateSnapshot(files).getProjects()[0]!;
};
const project = openProject();
const { checker, program } = project;

const original = (symbol: Declared) =>
  symbol.flags & SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;

/** Whether it is declared by this package, and not by another or by the language. */
const isOwn = ({ declarations }: Declared) =>
  declarations.some(({ path }) => path.toLowerCase().startsWith(`${root}/src/`.toLowerCase()));

/** The types that a declaration names, without what a function's body does. */
function listNamedTypes(node: Node): Declared[] {
  if (node.kind === SyntaxKind.Block) return [];
  const found: Declared[] = [];
  if (node.kind === SyntaxKind.TypeReference || node.kind === SyntaxKind.ExpressionWithTypeArguments) {
    const { typeName, expression } = node as Node & { typeName?: Node; expression?: Node };
    const symbol = checker.getSymbolAtLocation((typeName ?? expression)!);
    if (symbol) found.push(original(symbol));
  }
  node.forEachChild((child) => void found.push(...listNamedTypes(child)));
  return found;
}

/** The package's names for its modules, such as "slimtune/core", with their sources. */
const modules = Object.entries<{ types: string }>(
  JSON.parse(readFileSync("package.json", "utf8")).exports,
).map(([path, { types }]) => ({
  name: path.replace(".", "slimtune"),
  source: types.replace("./dist/", `${root}/src/`).replace(".d.ts", ".ts"),
}));

function exportsOf(source: string): Map<string, Declared> {
  const module = checker.getSymbolAtLocation(program.getSourceFile(source)!)!;
  return new Map(checker.getExportsOfModule(module).map((symbol) => [symbol.name, original(symbol)]));
}

const whole = exportsOf(`${root}/src/index.ts`);

describe.each(modules)("$name", ({ name, source }) => {
  const exported = exportsOf(source);
  const values = [...exported].filter(([, { flags }]) => flags & SymbolFlags.Value).map(([name]) => name);
  const examples = new Map<string, string | undefined>();
  for (const [name, symbol] of exported) {
    if (!(symbol.flags & (SymbolFlags.Function | SymbolFlags.Class))) continue;
    const tag = checker.getJsDocTagsOfSymbol(symbol).find(({ name }) => name === "example");
    examples.set(name, tag?.text);
  }

  test("names no type in its signatures that neither it nor slimtune exports", () => {
    const known = new Set([...exported.values(), ...whole.values()].map(({ id }) => id));
    const missing = [...exported].flatMap(([name, { declarations }]) =>
      declarations
        .flatMap((declaration) => listNamedTypes(declaration.resolve(project)!))
        .filter((type) => isOwn(type) && !(type.flags & SymbolFlags.TypeParameter) && !known.has(type.id))
        .map((type) => `${type.name}, which ${name} names`),
    );
    expect([...new Set(missing)]).toEqual([]);
  });

  test("explains every function and class by an example", () => {
    expect([...examples].filter(([, example]) => !example).map(([name]) => name)).toEqual([]);
  });

  test("has examples that compile", () => {
    const blocks = [...examples].map(([name, example]) => `{ // ${name}\n${example}\n}`);
    text = `import { ${values.join(", ")} } from "${name}";\n${blocks.join("\n")}`;
    const errors = openProject().program.getSemanticDiagnostics(file);
    // An example may name what it does not use.
    expect(errors.filter(({ reportsUnnecessary }) => !reportsUnnecessary)).toEqual([]);
  });
});
