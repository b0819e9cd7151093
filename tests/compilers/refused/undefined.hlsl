// A function that does not exist.
RWByteAddressBuffer x : register(u0);

[numthreads(64, 1, 1)]
void undefined(uint lane : SV_GroupIndex)
{
    x.Store(4u * lane, asuint(no_such_function(asfloat(x.Load(4u * lane)))));
}
