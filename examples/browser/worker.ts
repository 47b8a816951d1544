import { hostWorker } from "slimtune/web";

hostWorker();
