/** @file MMLU: questions of school, university and profession with four choices (Hendrycks et al. 2021). */

import { parse as parseCsv } from "csv-parse/sync";
import type { Row } from "../../core/data/row-fields.ts";
import { InputError } from "../../core/errors.ts";
import { readWhole } from "../../node/files/read.ts";
import { defineTask } from "./task-definition.ts";
import type { GroupEntry, TaskEntry } from "./task-entry.ts";

/** Number of test questions of each subject, by category. */
const subjects: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  stem: {
    abstract_algebra: 100,
    anatomy: 135,
    astronomy: 152,
    college_biology: 144,
    college_chemistry: 100,
    college_computer_science: 100,
    college_mathematics: 100,
    college_physics: 102,
    computer_security: 100,
    conceptual_physics: 235,
    electrical_engineering: 145,
    elementary_mathematics: 378,
    high_school_biology: 310,
    high_school_chemistry: 203,
    high_school_computer_science: 100,
    high_school_mathematics: 270,
    high_school_physics: 151,
    high_school_statistics: 216,
    machine_learning: 112,
  },
  other: {
    business_ethics: 100,
    clinical_knowledge: 265,
    college_medicine: 173,
    global_facts: 100,
    human_aging: 223,
    management: 103,
    marketing: 234,
    medical_genetics: 100,
    miscellaneous: 783,
    nutrition: 306,
    professional_accounting: 282,
    professional_medicine: 272,
    virology: 166,
  },
  social_sciences: {
    econometrics: 114,
    high_school_geography: 198,
    high_school_government_and_politics: 193,
    high_school_macroeconomics: 390,
    high_school_microeconomics: 238,
    high_school_psychology: 545,
    human_sexuality: 131,
    professional_psychology: 612,
    public_relations: 110,
    security_studies: 245,
    sociology: 201,
    us_foreign_policy: 100,
  },
  humanities: {
    formal_logic: 126,
    high_school_european_history: 165,
    high_school_us_history: 204,
    high_school_world_history: 237,
    international_law: 121,
    jurisprudence: 108,
    logical_fallacies: 163,
    moral_disputes: 346,
    moral_scenarios: 895,
    philosophy: 311,
    prehistory: 324,
    professional_law: 1534,
    world_religions: 171,
  },
};

const letters = ["A", "B", "C", "D"];

function defineSubject(subject: string, category: string, items: number): TaskEntry {
  const words = subject.replaceAll("_", " ");
  const files = (folder: string) =>
    // The archive holds a folder of the same name.
    ["mmlu", "mmlu/mmlu"].map((parent) => `${parent}/${folder}/${subject}_${folder}.csv`);
  return {
    name: `mmlu_${subject}`,
    description: `Questions about ${words} with four choices.`,
    items,
    licence: "MIT",
    definition: defineTask({
      task: `mmlu_${subject}`,
      task_alias: subject,
      tag: `mmlu_${category}_tasks`,
      dataset_path: "cais/mmlu",
      dataset_name: subject,
      test_split: "test",
      fewshot_split: "dev",
      fewshot_config: { sampler: "first_n" },
      output_type: "multiple_choice",
      description: `The following are multiple choice questions (with answers) about ${words}.\n\n`,
      doc_to_text:
        "{{question.strip()}}\nA. {{choices[0]}}\nB. {{choices[1]}}\nC. {{choices[2]}}\nD. {{choices[3]}}\nAnswer:",
      doc_to_choice: letters,
      doc_to_target: "answer",
      metric_list: [{ metric: "acc", aggregation: "mean", higher_is_better: true }],
      metadata: { version: "1.0" },
    }),
    local: {
      splits: { dev: files("dev"), validation: files("val"), test: files("test") },
      read: readQuestions,
    },
  };
}

/** Rows of question, four choices and the correct one's letter, without a header. */
async function* readQuestions(path: string): AsyncGenerator<Row> {
  // The library's types do not know the option.
  const rows: unknown = parseCsv(readWhole(path), { info: true });
  for (const { record, info } of rows as { record: string[]; info: { lines: number } }[]) {
    const [question, ...choices] = record;
    const answer = letters.indexOf(choices.pop() ?? "");
    if (choices.length !== letters.length || answer < 0) {
      throw new InputError(
        `${path}, line ${info.lines}: it is not a question, four choices and a letter from A to D.`,
      );
    }
    yield { fields: { question, choices, answer }, line: info.lines };
  }
}

const byCategory = Object.entries(subjects).map(([category, sizes]) => ({
  category,
  tasks: Object.entries(sizes).map(([subject, items]) => defineSubject(subject, category, items)),
}));

export const mmluTasks: readonly TaskEntry[] = byCategory.flatMap(({ tasks }) => tasks);

function group(name: string, version: string, description: string, tasks: readonly TaskEntry[]): GroupEntry {
  return {
    name,
    version,
    description,
    tasks: tasks.map((task) => task.name),
    aggregate: [{ metric: "acc", weightBySize: true }],
  };
}

const computing = [
  "mmlu_college_computer_science",
  "mmlu_high_school_computer_science",
  "mmlu_computer_security",
  "mmlu_machine_learning",
];

export const mmluGroups: readonly GroupEntry[] = [
  group("mmlu", "2", "Questions of 57 subjects with four choices.", mmluTasks),
  ...byCategory.map(({ category, tasks }) =>
    group(
      `mmlu_${category}`,
      "2",
      `The ${tasks.length} subjects of MMLU of the category ${category.replaceAll("_", " ")}.`,
      tasks,
    ),
  ),
  group(
    "mmlu_cs",
    "1.0",
    "The four subjects of MMLU about computing (our own group).",
    mmluTasks.filter(({ name }) => computing.includes(name)),
  ),
];
