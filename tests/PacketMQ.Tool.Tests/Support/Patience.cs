namespace PacketMQ.Tool.Tests.Support;

/// <summary>How long a test waits for what must come: long for a busy machine, and never used up by a test that passes.</summary>
internal static class Patience
{
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    public static Task<T> Soon<T>(this Task<T> task) => task.WaitAsync(Limit);

    public static Task Soon(this Task task) => task.WaitAsync(Limit);
}
