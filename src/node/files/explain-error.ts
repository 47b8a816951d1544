/** @file Errors of the system in words. */

/**
 * What is wrong and what to do, in a sentence; undefined if the error is not of the system or says neither.
 *
 * @param path of which file it is. Default: the one that the error names
 */
export function explainError(error: unknown, path?: string): string | undefined {
  const { code, path: named } = error as NodeJS.ErrnoException;
  const where = path ?? named;
  switch (code) {
    case "ENOSPC":
    case "EDQUOT":
      return `The disk is full${where === undefined ? "" : `, so ${where} cannot be written`}; free some space and run the command again.`;
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return `${where ?? "A file"} cannot be written or read: permission denied; choose another folder or change its permissions.`;
    case "ENOTDIR":
      return `${where ?? "A path"} leads through a file as if that were a folder; choose another path.`;
    case "EISDIR":
      return `${where ?? "A path"} is a folder where a file is needed; name a file.`;
    case "ELOOP":
      return `${where ?? "A path"} is a symbolic link, or leads through too many; name the file itself.`;
    default:
      return undefined;
  }
}

/** Whether the error, or what caused it, is that the disk is full. */
export function isDiskFull(error: unknown): boolean {
  const { code, cause } = error as NodeJS.ErrnoException;
  return code === "ENOSPC" || (cause !== undefined && isDiskFull(cause));
}
