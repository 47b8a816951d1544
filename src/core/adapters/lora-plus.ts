/** @file LoRA+ (Hayou et al. 2024): LoRA whose B learns faster than its A. */

/**
 * The factor by which the learning rate of a trained tensor is raised, by the tensor's name: `ratio` for B and, as in PEFT's
 * create_loraplus_optimizer, for vectors such as DoRA's magnitudes; 1 for A.
 */
export function loraPlusFactor(ratio: number): (name: string) => number {
  return (name) => (name.endsWith(".lora_A.weight") ? 1 : ratio);
}
