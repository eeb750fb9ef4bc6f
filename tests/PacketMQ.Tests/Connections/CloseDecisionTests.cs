using PacketMQ.Connections;

namespace PacketMQ.Tests.Connections;

public sealed class CloseDecisionTests
{
    private static readonly CloseRequest Request = CloseRequest.Disconnected();

    [Fact]
    public async Task Whoever_first_asks_for_the_token_behind_its_cancellation_gets_a_cancelled_one()
    {
        var decision = new CloseDecision();
        await decision.CancelAsync(); // the other side's end was noticed; nothing is decided
        Assert.Null(decision.Request);
        Assert.True(decision.Token.IsCancellationRequested);
        Assert.True(decision.TryMake(Request));
        Assert.True(decision.Token.IsCancellationRequested);
    }

    [Fact]
    public async Task Whoever_asks_before_is_told_by_either()
    {
        var decided = new CloseDecision();
        CancellationToken token = decided.Token;
        Assert.False(token.IsCancellationRequested);
        Assert.True(decided.TryMake(Request));
        await decided.CancelAsync();
        Assert.True(token.IsCancellationRequested);

        var noticed = new CloseDecision();
        token = noticed.Token;
        await noticed.CancelAsync();
        Assert.True(token.IsCancellationRequested);
    }

    [Fact]
    public void The_first_decision_stands()
    {
        var decision = new CloseDecision();
        Assert.True(decision.TryMake(Request));
        Assert.False(decision.TryMake(CloseRequest.Truncated()));
        Assert.Same(Request, decision.Request);
        Assert.True(decision.Made.IsCompleted);
    }
}
