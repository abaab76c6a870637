import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';

/** Program and arguments of a process, joined by blanks; null: there is no such process. */
export async function commandLine(pid: number): Promise<string | null> {
  if (process.platform === 'linux') {
    try {
      // Empty for a zombie, which is as good as gone.
      const text = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      return text === '' ? null : text;
    } catch {
      return null;
    }
  }
  const [program, args] =
    process.platform === 'win32'
      ? [
          'powershell',
          ['-NoProfile', '-Command', `(Get-CimInstance Win32_Process -Filter "ProcessId=${pid}").CommandLine`],
        ]
      : ['ps', ['-ww', '-o', 'command=', '-p', String(pid)]];
  try {
    const { stdout } = await promisify(execFile)(program, args);
    return stdout.trim() === '' ? null : `${stdout.trim()} `;
  } catch {
    return null;
  }
}
