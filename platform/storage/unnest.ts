/**
 * Rows as one array for each column, as a FROM item: one statement for any number of rows, and one plan for all of them.
 * `types` names the columns with their types. Its placeholders begin after `given` others.
 */
export function unnest<Row extends object>(
  rows: readonly Row[],
  types: { readonly [Column in keyof Row]: string },
  given = 0,
): { readonly from: string; readonly columns: string; readonly values: unknown[][] } {
  const names = Object.keys(types) as (keyof Row & string)[];
  const arrays = names.map((name, index) => `$${given + index + 1}::${types[name]}[]`);
  const columns = names.join(", ");
  return {
    from: `unnest(${arrays.join(", ")}) AS given (${columns})`,
    columns,
    values: names.map((name) => rows.map((row) => row[name])),
  };
}
