/** @file For tests and measurements: where it is imported, WebGPU finds the software Vulkan device that Debian's chromium carries. */

import { existsSync } from "node:fs";

// It needs libvulkan1 beside it.
const software = "/usr/lib/chromium/vk_swiftshader_icd.json";
if (existsSync(software)) process.env.VK_ICD_FILENAMES ??= software;
