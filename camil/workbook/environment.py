"""What a process is told about memory before it starts to train."""

# Training frees and takes the same memory at every step. glibc would give it back to the system and
# fetch it anew each time, which costs a CPU a quarter of its speed; other systems ignore this.
KEEP_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(4 * 10**9),
    "MALLOC_TRIM_THRESHOLD_": str(8 * 10**9),
    "MALLOC_TOP_PAD_": str(2**28),
}
