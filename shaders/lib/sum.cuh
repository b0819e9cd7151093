// The sum and its rounding error (Neumaier 1974).
__device__ inline float2 add(float2 a, float b) {
    const float sum = a.x + b;
    const float big = fabsf(a.x) >= fabsf(b) ? a.x : b;
    const float small = fabsf(a.x) >= fabsf(b) ? b : a.x;
    return make_float2(sum, a.y + ((big - sum) + small));
}
