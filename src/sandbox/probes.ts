/** @file Programs that try to get out of the sandbox, or to take more than they may. None does harm where it succeeds. */

/** What programs could get at, if they got out. */
export interface Bait {
  /** Where no program writes or reads: it holds `secret.txt`, with the token. */
  readonly folder: string;
  /** Stands in the secret file, in the environment of this process and of the victim, and nowhere else. */
  readonly token: string;
  /** Where a server of this process listens on 127.0.0.1. */
  readonly port: number;
  /** A process that sleeps. */
  readonly victim: number;
}

export type ProbeKind =
  | "files"
  | "environment"
  | "processes"
  | "network"
  | "JavaScript"
  | "interpreter"
  | "state"
  | "limits";

/**
 * A probe passes if no program of it has printed the token or left a trace on the bait, each ended in its time, with its output and
 * the process' memory within the limits, and a program after it ran as ever. So a program prints the token where it has seen what
 * it should not, and the rest is watched from outside.
 */
export interface Probe {
  readonly name: string;
  readonly kind: ProbeKind;
  /** Programs that are run one after the other. Where there are several, the first one only prepares the others. */
  readonly programs: (bait: Bait) => readonly string[];
}

const probe =
  (kind: ProbeKind) =>
  (name: string, ...programs: ((bait: Bait) => string)[]): Probe => ({
    name,
    kind,
    programs: (bait) => programs.map((write) => write(bait)),
  });
const [files, environment, processes, network] = [
  probe("files"),
  probe("environment"),
  probe("processes"),
  probe("network"),
];
const [javaScript, interpreter, state, limits] = [
  probe("JavaScript"),
  probe("interpreter"),
  probe("state"),
  probe("limits"),
];

/** Statements that go on with the next one, whatever becomes of one. */
const each = (...statements: string[]) =>
  statements
    .map(
      (statement) =>
        `try:\n${statement
          .split("\n")
          .map((line) => `    ${line}`)
          .join("\n")}\nexcept Exception as error:\n    print(error)`,
    )
    .join("\n");
const text = JSON.stringify;

export const probes: readonly Probe[] = [
  files("reads a file", ({ folder }) => `print(open(${text(`${folder}/secret.txt`)}).read())`),
  files(
    "reads a file by pathlib",
    ({ folder }) => `from pathlib import Path\nprint(Path(${text(`${folder}/secret.txt`)}).read_text())`,
  ),
  files(
    "reads a file by io and os",
    ({ folder }) =>
      `import io, os\n${each(
        `print(io.open(${text(`${folder}/secret.txt`)}).read())`,
        `print(io.FileIO(${text(`${folder}/secret.txt`)}).read())`,
        `print(os.read(os.open(${text(`${folder}/secret.txt`)}, 0), 100))`,
      )}`,
  ),
  files("reads a file through other modules", ({ folder }) =>
    each(
      `import linecache\nprint(linecache.getlines(${text(`${folder}/secret.txt`)}))`,
      `import fileinput\nprint(list(fileinput.input(${text(`${folder}/secret.txt`)})))`,
      `import mmap, os\nprint(mmap.mmap(os.open(${text(`${folder}/secret.txt`)}, 0), 0)[:])`,
      `import urllib.request\nprint(urllib.request.urlopen(${text(`file://${folder}/secret.txt`)}).read())`,
      `import runpy\nrunpy.run_path(${text(`${folder}/secret.txt`)})`,
    ),
  ),
  files(
    "writes a file",
    ({ folder }) => `with open(${text(`${folder}/written.txt`)}, "w") as file:\n    file.write("here")`,
  ),
  files(
    "appends to a file",
    ({ folder }) => `with open(${text(`${folder}/secret.txt`)}, "a") as file:\n    file.write("here")`,
  ),
  files(
    "makes, renames and removes",
    ({ folder }) =>
      `import os, shutil\n${each(
        `os.mkdir(${text(`${folder}/made`)})`,
        `os.rename(${text(`${folder}/secret.txt`)}, ${text(`${folder}/renamed.txt`)})`,
        `os.remove(${text(`${folder}/secret.txt`)})`,
        `os.truncate(${text(`${folder}/secret.txt`)}, 0)`,
        `os.chmod(${text(`${folder}/secret.txt`)}, 0)`,
        `shutil.rmtree(${text(folder)})`,
      )}`,
  ),
  files(
    "lists a folder",
    ({ folder, token }) =>
      `import os, glob\nif "secret.txt" in os.listdir(${text(folder)}) or glob.glob(${text(`${folder}/*`)}):\n    print(${text(token)})`,
  ),
  files(
    "walks up from its own folder",
    ({ folder, token }) =>
      `import os\nplace = "."\nfor _ in range(12):\n    if os.path.exists(place + ${text(`${folder}/secret.txt`)}):\n        print(${text(token)})\n    place += "/.."`,
  ),
  files("follows a symbolic link", ({ folder, port }) => {
    // A name that is new, for a link that goes again.
    const link = `/tmp/link-${port}`;
    const read = (path: string) =>
      `try:\n    print(open("${path}").read())\nfinally:\n    os.remove("${link}")`;
    return `import os\n${each(
      `print(open(${text(`${folder}/link`)}).read())`,
      `os.symlink(${text(folder)}, "${link}")\n${read(`${link}/secret.txt`)}`,
      `os.link(${text(`${folder}/secret.txt`)}, "${link}")\n${read(link)}`,
    )}`;
  }),
  files(
    "goes through /proc/self",
    ({ folder, token }) =>
      `import os\n${each(
        `print(open(${text(`/proc/self/root${folder}/secret.txt`)}).read())`,
        `print(open(${text(`/proc/1/root${folder}/secret.txt`)}).read())`,
        `if "node" in open("/proc/self/maps").read():\n    print(${text(token)})`,
        `if b"node" in open("/proc/self/cmdline", "rb").read():\n    print(${text(token)})`,
      )}`,
  ),
  files(
    "reads what every Linux has",
    ({ token }) =>
      `${each(`if "root:" in open("/etc/passwd").read():\n    print(${text(token)})`, `if open("/proc/version").read():\n    print(${text(token)})`, `if open("/sys/kernel/osrelease").read():\n    print(${text(token)})`)}`,
  ),
  files(
    "writes to open descriptors",
    ({ token }) =>
      `import os\nfor file in range(3, 64):\n    try:\n        os.write(file, b"\\n")\n        print(${text(token)})\n    except OSError:\n        pass`,
  ),
  files(
    "mounts the host's files",
    ({ folder }) =>
      `import pyodide_js\npyodide_js.FS.mount(pyodide_js.FS.filesystems.NODEFS, {"root": ${text(folder)}}, "/mnt")\nprint(open("/mnt/secret.txt").read())`,
  ),
  files(
    "mounts the host's files by name",
    ({ folder }) =>
      `import pyodide_js\npyodide_js.mountNodeFS("/mnt", ${text(folder)})\nprint(open("/mnt/secret.txt").read())`,
  ),
  files(
    "opens a database on disk",
    ({ folder }) =>
      `import sqlite3\nsqlite3.connect(${text(`${folder}/data.db`)}).execute("create table t (a)").connection.commit()`,
  ),

  environment(
    "reads the environment",
    () => `import os\nprint(dict(os.environ), os.getenv("SLIMTUNE_BAIT"))`,
  ),
  environment("reads the environment by posix", () => `import posix\nprint(posix.environ)`),
  environment(
    "reads other processes' environments",
    ({ victim }) =>
      `${each(`print(open("/proc/${victim}/environ", "rb").read())`, `print(open("/proc/self/environ", "rb").read())`, `import os\nprint(open(f"/proc/{os.getppid()}/environ", "rb").read())`)}`,
  ),
  environment(
    "asks who and where it is",
    ({ token }) =>
      `${each(
        `import os\nif os.uname().sysname == "Linux":\n    print(${text(token)})`,
        `import platform\nif platform.system() == "Linux":\n    print(${text(token)})`,
        `import pwd\nif pwd.getpwuid(0):\n    print(${text(token)})`,
        `import getpass\nif getpass.getuser() == "root":\n    print(${text(token)})`,
      )}`,
  ),

  processes(
    "runs a command",
    ({ folder }) => `import os\nprint(os.system(${text(`touch ${folder}/by-system`)}))`,
  ),
  processes(
    "runs a command by popen",
    ({ folder }) => `import os\nprint(os.popen(${text(`cat ${folder}/secret.txt`)}).read())`,
  ),
  processes(
    "runs a command by subprocess",
    ({ folder }) =>
      `import subprocess\nprint(subprocess.run(["cat", ${text(`${folder}/secret.txt`)}], capture_output=True).stdout)`,
  ),
  processes(
    "replaces or spawns a process",
    ({ folder }) =>
      `import os\n${each(
        `os.posix_spawn("/bin/touch", ["touch", ${text(`${folder}/by-spawn`)}], {})`,
        `os.spawnv(os.P_WAIT, "/bin/touch", ["touch", ${text(`${folder}/by-spawnv`)}])`,
        `os.execv("/bin/touch", ["touch", ${text(`${folder}/by-exec`)}])`,
      )}`,
  ),
  processes(
    "forks",
    ({ token }) =>
      `import os\nfor _ in range(3):\n    if os.fork() == 0:\n        os._exit(0)\n    print(${text(token)})`,
  ),
  processes(
    "starts processes by multiprocessing",
    ({ token }) =>
      `import multiprocessing\nprocess = multiprocessing.Process(target=print)\nprocess.start()\nprint(${text(token)})`,
  ),
  processes(
    "starts threads",
    ({ token }) =>
      `${each(
        `import threading\nthreading.Thread(target=print).start()\nprint(${text(token)})`,
        `import _thread\n_thread.start_new_thread(print, ())\nprint(${text(token)})`,
        `from concurrent.futures import ThreadPoolExecutor\nprint(ThreadPoolExecutor().submit(str, ${text(token)}).result())`,
      )}`,
  ),
  processes(
    "kills another process",
    ({ victim }) => `import os, signal\nos.kill(${victim}, signal.SIGKILL)\nos.kill(${victim}, 9)`,
  ),
  processes("kills itself", () => `import os\nos.kill(os.getpid(), 9)`),
  processes(
    "sets timers and handlers of signals",
    () =>
      `import signal\nsignal.signal(signal.SIGTERM, lambda *_: None)\nsignal.setitimer(signal.ITIMER_REAL, 0.01)\nsignal.raise_signal(signal.SIGTERM)`,
  ),
  processes("ends its process", () => `import os\nos._exit(7)`),
  processes("aborts", () => `import os\nos.abort()`),
  processes("faults", () => `import faulthandler\nfaulthandler._sigsegv()`),

  network(
    "connects",
    ({ port }) =>
      `import socket\nconnection = socket.create_connection(("127.0.0.1", ${port}))\nconnection.send(b"here")`,
  ),
  network(
    "connects without waiting",
    ({ port }) =>
      `import socket\nconnection = socket.socket()\nconnection.setblocking(False)\nfor _ in range(3):\n    try:\n        connection.connect_ex(("127.0.0.1", ${port}))\n        connection.send(b"here")\n    except OSError:\n        pass`,
  ),
  network(
    "sends a datagram",
    ({ port, token }) =>
      `import socket\nsocket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"here", ("127.0.0.1", ${port}))\nprint(${text(token)})`,
  ),
  network(
    "listens",
    ({ token }) =>
      `import socket\nserver = socket.socket()\nserver.bind(("127.0.0.1", 0))\nserver.listen()\nprint(${text(token)})`,
  ),
  network(
    "asks a server",
    ({ port }) =>
      `${each(`import urllib.request\nurllib.request.urlopen("http://127.0.0.1:${port}/")`, `import http.client\nhttp.client.HTTPConnection("127.0.0.1", ${port}).request("GET", "/")`, `import ftplib\nftplib.FTP().connect("127.0.0.1", ${port})`)}`,
  ),
  network(
    "fetches as Pyodide does",
    ({ port }) =>
      `from pyodide.http import open_url, pyfetch\n${each(`open_url("http://127.0.0.1:${port}/")`, `pyfetch("http://127.0.0.1:${port}/").send(None)`)}`,
  ),
  network(
    "asks for an address",
    ({ token }) =>
      `import socket\nif socket.gethostbyname("localhost") == "127.0.0.1" or socket.gethostname() not in ("", "emscripten"):\n    print(${text(token)})`,
  ),
  network(
    "works asynchronously",
    ({ port }) =>
      `import asyncio\nasync def work():\n    reader, writer = await asyncio.open_connection("127.0.0.1", ${port})\n    writer.write(b"here")\n    await writer.drain()\nasyncio.run(work())`,
  ),
  network("installs a package", () => `import micropip\nmicropip.install("snowballstemmer").send(None)`),

  javaScript(
    "imports JavaScript's globals",
    ({ token }) => `import js\nif js.process.pid:\n    print(${text(token)})`,
  ),
  javaScript(
    "reads the environment by JavaScript",
    () => `from js import process\nprint(process.env.SLIMTUNE_BAIT, process.env.object_keys())`,
  ),
  javaScript(
    "runs JavaScript",
    ({ token }) => `from pyodide.code import run_js\nrun_js("1")\nprint(${text(token)})`,
  ),
  javaScript(
    "makes a function of JavaScript",
    ({ token }) => `import pyodide_js\npyodide_js.runPython.constructor("return 1")()\nprint(${text(token)})`,
  ),
  javaScript(
    "comes to Pyodide's module",
    ({ token }) => `import pyodide_js\nif pyodide_js._module.HEAPU8.length:\n    print(${text(token)})`,
  ),
  javaScript(
    "comes to JavaScript by the package's parts",
    ({ token }) =>
      `${each(
        `import _pyodide_core\nfor name in dir(_pyodide_core):\n    if "JsProxy" in str(type(getattr(_pyodide_core, name))):\n        print(getattr(_pyodide_core, name).constructor, ${text(token)})`,
        `from pyodide.ffi import to_js\nto_js([1]).constructor\nprint(${text(token)})`,
        `from pyodide.ffi import create_proxy\ncreate_proxy(print).toString()\nprint(${text(token)})`,
        `from _pyodide._core_docs import _instantiate_token\nprint(_instantiate_token)`,
      )}`,
  ),
  javaScript(
    "finds JavaScript's objects in memory",
    ({ token }) =>
      `import gc\nfor found in gc.get_objects():\n    if type(found).__name__ == "JsProxy":\n        found.constructor\n        print(${text(token)})`,
  ),
  javaScript(
    "registers a module of JavaScript",
    ({ token }) =>
      `import sys\nfor finder in sys.meta_path:\n    if "JsFinder" in type(finder).__name__:\n        for proxy in finder.jsproxies.values():\n            proxy.constructor\n            print(${text(token)})`,
  ),
  javaScript(
    "waits for a promise",
    ({ token }) =>
      `from pyodide.ffi import run_sync\nimport asyncio\nrun_sync(asyncio.sleep(0))\nprint(${text(token)})`,
  ),

  interpreter(
    "calls C",
    ({ folder, token }) =>
      `import ctypes\n${each(`ctypes.CDLL(None).system(${text(`touch ${folder}/by-c`)}.encode())`, `ctypes.CDLL("libc.so.6").getpid()\nprint(${text(token)})`, `ctypes.pythonapi.Py_GetVersion()\nprint(${text(token)})`)}`,
  ),
  interpreter("writes over memory", () => `import ctypes\nctypes.memset(64, 255, 1 << 24)`),
  interpreter(
    "makes broken bytecode",
    () =>
      `def work():\n    return 1\nwork.__code__ = work.__code__.replace(co_code=bytes([100, 255, 83, 0] * 50), co_consts=())\nwork()`,
  ),
  interpreter(
    "comes to its builtins by subclasses",
    ({ folder }) =>
      `for found in ().__class__.__base__.__subclasses__():\n    if found.__name__ in ("FileIO", "_io._IOBase", "FileLoader"):\n        print(found(${text(`${folder}/secret.txt`)}).read())\n    if found.__name__ == "Popen":\n        found(["touch", ${text(`${folder}/by-popen`)}])\n    if found.__name__ == "_wrap_close":\n        found.__init__.__globals__["system"](${text(`touch ${folder}/by-subclass`)})`,
  ),
  interpreter(
    "comes to its builtins by frames",
    ({ folder }) =>
      `import sys\nframe = sys._getframe()\nwhile frame:\n    for names in (frame.f_globals, frame.f_builtins):\n        if "open" in names:\n            print(names["open"](${text(`${folder}/secret.txt`)}).read())\n    frame = frame.f_back`,
  ),
  interpreter(
    "evaluates and imports by other ways",
    ({ folder }) =>
      `${each(
        `eval("__import__('os').system(${`'touch ${folder}/by-eval'`.replaceAll("'", "\\'")})")`,
        `exec(compile("import posix\\nposix.system('touch ${folder}/by-exec')", "", "exec"))`,
        `import importlib\nimportlib.import_module("posix").system("touch ${folder}/by-import")`,
        `import _imp, importlib.machinery\n_imp.create_builtin(importlib.machinery.ModuleSpec("posix", None)).system("touch ${folder}/by-imp")`,
      )}`,
  ),
  interpreter(
    "unpickles a call",
    ({ folder }) => `import pickle\npickle.loads(b"cos\\nsystem\\n(S'touch ${folder}/by-pickle'\\ntR.")`,
  ),
  interpreter(
    "loads a library",
    ({ token }) =>
      `import sys, importlib.machinery\nimportlib.machinery.ExtensionFileLoader("x", "/usr/lib/x86_64-linux-gnu/libc.so.6").create_module(importlib.machinery.ModuleSpec("x", None))\nprint(${text(token)})`,
  ),

  state(
    "leaves names behind",
    () => `left = 1\nimport math\nmath.left = 1`,
    ({ token }) => each(`left\nprint(${text(token)})`, `import math\nmath.left\nprint(${text(token)})`),
  ),
  state(
    "changes functions for the next program",
    ({ token }) =>
      each(
        `import builtins\nbuiltins.sum = lambda _: ${text(token)}`,
        `import math\nmath.sqrt = lambda _: ${text(token)}`,
        `from fractions import Fraction\nFraction.__str__ = lambda _: ${text(token)}`,
      ),
    () =>
      each(
        "print(sum([1]))",
        "import math\nprint(math.sqrt(1))",
        "from fractions import Fraction\nprint(Fraction(1))",
      ),
  ),
  state(
    "leaves files for the next program",
    ({ token }) => `with open("/tmp/left", "w") as file:\n    file.write(${text(token)})`,
    () => `print(open("/tmp/left").read())`,
  ),
  state(
    "leaves hooks for the next program",
    ({ token }) =>
      each(
        `import sys\nsys.settrace(lambda *_: print(${text(token)}))`,
        `import sys\nsys.displayhook = sys.excepthook = lambda *_: print(${text(token)})`,
        `import atexit\natexit.register(print, ${text(token)})`,
        `import sys\nsys.setrecursionlimit(60)`,
      ),
    ({ token }) =>
      `def depth(n):\n    return n and 1 + depth(n - 1)\ntry:\n    depth(100)\nexcept RecursionError:\n    print(${text(token)})`,
    () => "1 / 0",
  ),
  state("closes the output for the next program", () =>
    each("import os\nos.close(1)", "import os\nos.dup2(0, 1)", "import sys\nsys.stdout.close()"),
  ),

  limits("never ends", () => "while True:\n    pass"),
  limits(
    "never ends, whatever is raised",
    () =>
      "while True:\n    try:\n        while True:\n            pass\n    except BaseException:\n        pass",
  ),
  limits("sleeps", () => `import time\ntime.sleep(3600)`),
  limits("counts for hours", () => "print(sum(range(10**14)))"),
  limits("matches for hours", () => `import re\nprint(re.match("(a|aa)+$", "a" * 60 + "b"))`),
  limits("waits for input", () => "print(input())"),
  limits("raises a number to a huge power", () => "print(3 ** 10**9 % 7)"),
  limits("computes a huge factorial", () => "import math\nprint(math.factorial(10**8) % 7)"),
  limits("prints a huge number", () => "print(7 ** 1000000)"),
  limits("doubles a list", () => "grown = [0]\nwhile True:\n    grown = grown + grown"),
  limits("makes a huge text", () => `print(len("a" * 10**11))`),
  limits("makes a huge text by a format", () => `print(len(f"{1:>50000000000}"))`),
  limits("makes a huge list", () => "print(len([0] * 10**11))"),
  limits(
    "fills memory piece by piece",
    () => `kept = []\nwhile True:\n    kept.append("a" * 10**6 + str(len(kept)))`,
  ),
  limits(
    "fills memory, whatever is raised",
    () =>
      `kept = []\nwhile True:\n    try:\n        kept.append("a" * 10**6 + str(len(kept)))\n    except BaseException:\n        pass`,
  ),
  limits("replaces to a huge text", () => `grown = "a" * 10**6\nprint(len(grown.replace("a", "b" * 10**6)))`),
  limits("recurses", () => "def deeper():\n    return deeper()\ndeeper()"),
  limits(
    "recurses beyond Python's limit",
    () => "import sys\nsys.setrecursionlimit(10**9)\ndef deeper(n):\n    return deeper(n + 1)\ndeeper(0)",
  ),
  limits("nests a list", () => "nested = []\nfor _ in range(10**6):\n    nested = [nested]\nprint(nested)"),
  limits("nests its source", () => `value = ${"(".repeat(3000)}1${")".repeat(3000)}`),
  limits("nests operators", () => `value = ${"-".repeat(50_000)}1`),
  limits("prints without end", () => `while True:\n    print("a" * 1000)`),
  limits("prints a huge line", () => `for _ in range(200):\n    print("a" * 5 * 10**6, end="")`),
  limits(
    "writes errors without end",
    () => `import sys\nwhile True:\n    print("a" * 1000, file=sys.stderr)`,
  ),
  limits("raises a huge message", () => `raise ValueError("a" * 10**7)`),
];
