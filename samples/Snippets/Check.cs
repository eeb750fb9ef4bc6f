namespace PacketMQ.Samples.Snippets;

internal static class Check
{
    public static void That(bool holds)
    {
        if (!holds)
            throw new InvalidOperationException("A snippet does not do what its page says.");
    }
}
