/* How many floating-point operations per second the cores' vector units give, two for each multiply-add of float32.
 *
 *     mkdir -p build
 *     gcc -O3 -march=native -pthread reference/multiply_add_peak.c -o build/multiply_add_peak && build/multiply_add_peak 2
 *
 * The argument is the number of threads. Prints the rate of each of 10 rounds in GFLOP/s.
 */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#ifdef __AVX512F__
#define WIDTH 16
#else
#define WIDTH 8
#endif
/* Enough to hide the latency of an operation, and few enough for the registers. */
#define SUMS 12
#define STEPS 40000000L
#define ROUNDS 10

typedef float Vector __attribute__((vector_size(4 * WIDTH)));

static void *multiply_and_add(void *result) {
  Vector sums[SUMS], factor, addend;
  for (int lane = 0; lane < WIDTH; lane++) {
    factor[lane] = 0.999f;
    addend[lane] = 0.001f;
    for (int i = 0; i < SUMS; i++) sums[i][lane] = (float)i;
  }
  for (long step = 0; step < STEPS; step++) {
#pragma GCC unroll 12
    for (int i = 0; i < SUMS; i++) sums[i] = sums[i] * factor + addend;
  }
  float total = 0;
  for (int i = 0; i < SUMS; i++) total += sums[i][0];
  *(float *)result = total;
  return NULL;
}

int main(int count, char **arguments) {
  int threads = count > 1 ? atoi(arguments[1]) : 1;
  if (threads < 1 || threads > 256) {
    fprintf(stderr, "Give a number of threads from 1 to 256.\n");
    return 1;
  }
  for (int round = 0; round < ROUNDS; round++) {
    pthread_t running[256];
    float results[256];
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (int i = 0; i < threads; i++) pthread_create(&running[i], NULL, multiply_and_add, &results[i]);
    for (int i = 0; i < threads; i++) pthread_join(running[i], NULL);
    clock_gettime(CLOCK_MONOTONIC, &end);
    double seconds = (double)(end.tv_sec - start.tv_sec) + 1e-9 * (double)(end.tv_nsec - start.tv_nsec);
    printf("%.0f\n", 2.0 * WIDTH * SUMS * STEPS * threads / seconds / 1e9);
  }
}
